"""Starting the measuring process on a device: here, or over SSH on any machine with Python and the runtime.

The process gets the few files of this project that it needs through its standard input, so that the other machine
needs nothing installed but Python, numpy and the runtime.
"""

import io
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zoo
from latency_tables.errors import MeasurementError

LOCAL = "local"

_PACKAGE, _ZOO = Path(__file__).parent, Path(zoo.__file__).parent
_MODULES = ("errors", "machine", "node_names", "quiet", "sampling", "torch_programs", "worker")
_ZOO_MODULES = ("errors", "registry")

# the folder that it starts in must not shadow modules; the supervisor's text is the first line of input
_BOOT = "import sys; sys.path[:] = filter(None, sys.path); exec(eval(sys.stdin.buffer.raw.readline()))"
# the interpreter's path is a line of input too, never a part of the command
_REMOTE_COMMAND = f'exec sh -c \'IFS= read -r python && exec "$python" -c "{_BOOT}"\''

_SAFETY = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-T", "-a", "-x")
_HABITS = ("-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15", "-o", "ClearAllForwardings=yes")

_SSH = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<python>/\S*)?"
)

# what ssh says, and what it means to the user; the first that fits
_SSH_ADVICE = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": (
        "its host key is not the one known here; only if you know why it changed, forget the old one with "
        "`ssh-keygen -R {known_as}` and add the new one with `{keyscan}` after checking it"
    ),
    "Host key verification failed": "its host key is not known here; add it with `{keyscan}` after checking it",
    "Permission denied": "it does not accept your key; `{login}` must work without a password (see ssh-copy-id)",
    "Could not resolve": "no machine of that name is known; is it spelled right, and in DNS or ~/.ssh/config?",
    "refused": "it refuses connections there; does its SSH server run, and on that port?",
    "imed out": "it does not answer; is it switched on, and in the same network?",
}


class WorkerDiedError(MeasurementError):
    """The measuring process crashed, or was ended because it took too long."""


class UnreachableError(MeasurementError):
    """A device that cannot be reached, or whose connection broke."""


@dataclass(frozen=True)
class SshTarget:
    """A machine reached over SSH; `python` is the interpreter there."""

    host: str
    user: str | None = None
    port: int | None = None
    python: str = "python3"


def parse_device(device: str) -> SshTarget | None:
    """Return the machine that `ssh://[user@]host[:port][/path/of/python]` names, None for `local`.

    Raises MeasurementError for anything else.
    """
    if device == LOCAL:
        return None
    match = _SSH.fullmatch(device) if device.isprintable() else None
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65536):
        raise MeasurementError(f"no device {device!r}: it is 'local' or ssh://[user@]host[:port][/path/of/python]")
    port = int(match["port"]) if match["port"] else None
    return SshTarget(match["host"].strip("[]"), match["user"], port, match["python"] or "python3")


def start_worker(device: str, stderr: IO[bytes], ssh_options: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
    """Start the measuring process on `device`: given `first_input`, it answers requests on its standard streams.

    Args:
        ssh_options: for `ssh`, before the host; host keys are always checked and passwords never asked for.
    """
    target = parse_device(device)
    command = [sys.executable, "-c", _BOOT] if target is None else _ssh_command(target, ssh_options)
    try:
        # in a session of its own, Ctrl-C reaches only this process, which then ends the other in good order
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
        )
    except FileNotFoundError:
        raise MeasurementError(f"no program {command[0]!r} here; {device} needs OpenSSH's client") from None


def _ssh_command(target: SshTarget, options: Sequence[str]) -> list[str]:
    # of an option given twice, ssh takes the first
    command = ["ssh", *_SAFETY, *options, *_HABITS]
    command += ["-p", str(target.port)] if target.port else []
    command += ["-l", target.user] if target.user else []
    return [*command, "--", target.host, _REMOTE_COMMAND]


def first_input(device: str) -> bytes:
    """Return what the process of `start_worker` is sent before the requests: the program that answers them."""
    target, archive = parse_device(device), worker_archive()
    supervisor = ascii((_PACKAGE / "supervisor.py").read_text())
    lines = [*([target.python] if target else []), supervisor, str(len(archive))]
    return "\n".join(lines).encode() + b"\n" + archive


def worker_archive() -> bytes:
    """Return the files that the device needs as a zip that Python runs."""
    files = {f"latency_tables/{name}.py": _PACKAGE / f"{name}.py" for name in _MODULES}
    files |= {f"latency_tables/runtimes/{path.name}": path for path in (_PACKAGE / "runtimes").glob("*.py")}
    files |= {f"zoo/{name}.py": _ZOO / f"{name}.py" for name in _ZOO_MODULES}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", "from latency_tables.worker import main\n\nmain()\n")
        for package in ("latency_tables", "zoo"):
            archive.writestr(f"{package}/__init__.py", "")
        for name, path in files.items():
            archive.write(path, name)
    return buffer.getvalue()


def why_it_ended(device: str, code: int, said: str) -> WorkerDiedError | UnreachableError:
    """Return the error, in one line, for a process of `start_worker` that ended by itself.

    Args:
        code: its exit code, negative for a signal.
        said: the end of its standard error.
    """
    target = parse_device(device)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = f": {lines[-1]}" if lines else ""
    if target and (code == 255 or code < 0):
        advice = next((text for cue, text in _SSH_ADVICE.items() if cue in said), None)
        reason = f": {advice.format(**_ssh_commands(target))}" if advice else last
        return UnreachableError(f"cannot reach {device}{reason}")
    if target and code in (126, 127):
        return WorkerDiedError(f"no Python runs as {target.python!r} on {device}; end the device with its path there")
    where = f" on {device}" if target else ""
    number = -code if code < 0 else code - 128
    if number in set(signal.Signals):
        hint = ", perhaps out of memory" if number == signal.SIGKILL else ""
        return WorkerDiedError(f"the measuring process{where} crashed ({signal.Signals(number).name}{hint}){last}")
    return WorkerDiedError(f"the measuring process{where} ended{last or f' (exit code {code})'}")


def _ssh_commands(target: SshTarget) -> dict[str, str]:
    port = f"-p {target.port} " if target.port else ""
    return {
        "known_as": f"'[{target.host}]:{target.port}'" if target.port not in (None, 22) else target.host,
        "keyscan": f"ssh-keyscan {port}{target.host} >> ~/.ssh/known_hosts",
        "login": f"ssh {port}{f'{target.user}@' if target.user else ''}{target.host}",
    }
