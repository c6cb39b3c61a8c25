"""Starting the measuring process on a device: here, or over SSH on any machine with Python and the runtime.

The process gets the few files of this project that it needs through its standard input, so that the other machine
needs nothing installed but Python, numpy and the runtime.
"""

import io
import re
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

_BOOT = (
    "import os, sys, tempfile;"
    "home = tempfile.TemporaryDirectory(prefix='edgezoo-');"
    "path = os.path.join(home.name, 'worker.zip');"
    "size = int(sys.stdin.buffer.readline());"
    "file = open(path, 'wb'); file.write(sys.stdin.buffer.read(size)); file.close();"
    "sys.path.insert(0, path);"
    "from latency_tables.worker import main; main()"
)
# the interpreter's path arrives as the first line of input, never inside the command
_REMOTE_COMMAND = f'IFS= read -r python && exec "$python" -c "{_BOOT}"'

_SSH = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<python>/[^\s]*)?"
)


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
    match = _SSH.fullmatch(device)
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65536):
        raise MeasurementError(f"no device {device!r}: it is 'local' or ssh://[user@]host[:port][/path/of/python]")
    port = int(match["port"]) if match["port"] else None
    return SshTarget(match["host"].strip("[]"), match["user"], port, match["python"] or "python3")


def start_worker(device: str, stderr: IO[bytes], ssh_options: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
    """Start the measuring process on `device`, which then answers requests on its standard input and output.

    Args:
        ssh_options: for `ssh`, before the host; host keys are always checked and passwords never asked for.
    """
    target = parse_device(device)
    if target is None:
        command, first_lines = [sys.executable, "-c", _BOOT], b""
    else:
        command = ["ssh", *ssh_options, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-T"]
        command += ["-p", str(target.port)] if target.port else []
        command += ["-l", target.user] if target.user else []
        command += ["--", target.host, _REMOTE_COMMAND]
        first_lines = target.python.encode() + b"\n"
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdin
    archive = _worker_archive()
    try:
        process.stdin.write(first_lines + str(len(archive)).encode() + b"\n" + archive)
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it is gone already: the first request finds out why
    return process


def _worker_archive() -> bytes:
    files = {f"latency_tables/{name}.py": _PACKAGE / f"{name}.py" for name in _MODULES}
    files |= {f"latency_tables/runtimes/{path.name}": path for path in (_PACKAGE / "runtimes").glob("*.py")}
    files |= {f"zoo/{name}.py": _ZOO / f"{name}.py" for name in _ZOO_MODULES}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in ("latency_tables", "zoo"):
            archive.writestr(f"{package}/__init__.py", "")
        for name, path in files.items():
            archive.write(path, name)
    return buffer.getvalue()
