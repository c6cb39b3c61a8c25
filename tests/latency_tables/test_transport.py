import contextlib
import dataclasses
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from latency_tables import MeasurementError, RuntimeUnavailableError, this_device
from latency_tables.bench import Bench
from latency_tables.transport import SshTarget, UnreachableError, parse_device, start_worker
from latency_tables.worker_process import Connection, WorkerProcess, list_runtimes

_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclasses.dataclass(frozen=True)
class Server:
    """An SSH server on this machine and what a client needs for it; `temp` is where its programs put files."""

    address: str
    port: int
    pid: int
    folder: Path
    temp: Path

    @property
    def device(self) -> str:
        return self.address + sys.executable

    def options(self, known_hosts="known_hosts", key="user_key"):
        config = self.folder / f"config-{known_hosts}-{key}"
        config.write_text(
            f"UserKnownHostsFile {self.folder / known_hosts}\nGlobalKnownHostsFile none\n"
            f"IdentityFile {self.folder / key}\nIdentitiesOnly yes\nIdentityAgent none\n"
        )
        return ("-F", str(config))


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory, wait_until):
    if not _SSHD or not shutil.which("ssh"):
        pytest.skip("no OpenSSH server here: apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host_key", "other_host_key", "user_key", "other_user_key", "noisy_user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port, temp = _free_port(), folder / "temp"
    temp.mkdir()
    for known_hosts, key in {"known_hosts": "host_key", "wrong_hosts": "other_host_key"}.items():
        public = (folder / f"{key}.pub").read_text()
        (folder / known_hosts).write_text(f"[127.0.0.1]:{port} {public}")
    (folder / "no_hosts").touch()
    noisy = 'command="echo Welcome; printf half-a-line; eval \\"$SSH_ORIGINAL_COMMAND\\"" '
    keys = (folder / "user_key.pub").read_text() + noisy + (folder / "noisy_user_key.pub").read_text()
    (folder / "authorized_keys").write_text(keys)
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host_key'}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nPermitRootLogin prohibit-password\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nSetEnv TMPDIR={temp} PYTHONPATH=/nowhere\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it where it runs as root
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([_SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or _listens(port))
            if process.poll() is not None:
                pytest.skip(f"sshd does not start here: {(folder / 'log').read_text()}")
            yield Server(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", port, process.pid, folder, temp)
        finally:
            process.terminate()
            process.wait()


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def far_side(server, wait_until):
    """The server; its programs must leave no file behind."""
    yield server
    wait_until(lambda: not list(server.temp.iterdir()), 5)


def _refused(device, options=()):
    """Return the one line that says why a device cannot be used."""
    with pytest.raises((MeasurementError, RuntimeUnavailableError)) as caught:
        WorkerProcess("onnxruntime", "fp32", 1, device=device, ssh_options=options)
    text = str(caught.value)
    assert "\n" not in text and device in text
    return text


# over a real server


def test_a_network_is_measured_over_ssh_as_it_is_here(far_side, temp_folder, small_model):
    with Bench("onnxruntime", "fp32", device=far_side.device, ssh_options=far_side.options()) as bench:
        assert bench.device == this_device("onnxruntime", "fp32", 1)
        bench.add("net", nn.Conv2d(3, 4, 3), (1, 3, 8, 8))
        bench.add_file("file", small_model)
        assert list(far_side.temp.iterdir())
        for name in ("net", "file"):
            assert all(0 < pair.ms < 100 and 0 < pair.reference_ms < 100 for pair in bench.visit(name, 5))
        assert any(node.op == "Conv" for node in bench.profile("net", 3))
        assert bench.state().load >= 0
    assert not list(far_side.temp.iterdir()) and not list(temp_folder.iterdir())


def test_the_runtimes_of_another_machine_are_listed(far_side):
    assert list_runtimes(far_side.device, far_side.options()) == list_runtimes()


def test_what_a_login_prints_is_passed_over(far_side):
    options = far_side.options(key="noisy_user_key")
    assert list_runtimes(far_side.device, options) == list_runtimes()


def test_an_unknown_host_key_is_never_accepted(far_side):
    for options in (far_side.options("no_hosts"), (*far_side.options("no_hosts"), "-o", "StrictHostKeyChecking=no")):
        text = _refused(far_side.device, options)
        assert "host key is not known" in text
        assert f"ssh-keyscan -p {far_side.port} 127.0.0.1 >> ~/.ssh/known_hosts" in text and "after checking it" in text
        assert not (far_side.folder / "no_hosts").read_text()


def test_a_changed_host_key_is_told_as_such(far_side):
    known = (far_side.folder / "wrong_hosts").read_text()
    text = _refused(far_side.device, far_side.options("wrong_hosts"))
    assert "not the one known here" in text and f"ssh-keygen -R '[127.0.0.1]:{far_side.port}'" in text
    assert (far_side.folder / "wrong_hosts").read_text() == known


def test_a_key_that_is_not_accepted(far_side):
    text = _refused(far_side.device, far_side.options(key="other_user_key"))
    assert "does not accept your key" in text
    assert f"`ssh -p {far_side.port} {getpass.getuser()}@127.0.0.1` must work without a password" in text


def test_machines_that_do_not_answer(server):
    with socket.socket() as deaf:  # bound, so that nobody else listens there
        deaf.bind(("127.0.0.1", 0))
        address = f"ssh://127.0.0.1:{deaf.getsockname()[1]}"
        assert "does its SSH server run" in _refused(address, server.options())
    assert "no machine of that name" in _refused("ssh://nowhere.invalid", server.options())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        device = f"ssh://127.0.0.1:{silent.getsockname()[1]}"
        assert "does not answer" in _refused(device, (*server.options(), "-o", "ConnectTimeout=1"))


@pytest.mark.parametrize("path", ["/no/such/python", "/dev/null", "/"])
def test_a_missing_python_is_named(far_side, path):
    assert f"no Python runs as {path!r}" in _refused(far_side.address + path, far_side.options())


def test_a_program_that_is_no_python(far_side):
    assert "ended" in _refused(far_side.address + "/bin/false", far_side.options())


def test_a_path_of_python_is_never_part_of_a_command(far_side, tmp_path):
    python = tmp_path / "$(touch${IFS}pwned)`touch${IFS}pwned`;touch${IFS}pwned;'\"&|>pwned#\\"
    assert "no Python runs as" in _refused(f"{far_side.address}{python}", far_side.options())
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    assert list_runtimes(f"{far_side.address}{python}", far_side.options())
    assert not (Path.home() / "pwned").exists() and list(tmp_path.iterdir()) == [python]


def test_a_python_without_numpy_says_what_to_install(far_side, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = f"{tmp_path}/bare/bin/python"
    text = _refused(far_side.address + python, far_side.options())
    assert f"lacks numpy; install it there with: {python} -m pip install numpy" in text


def test_a_python_without_the_runtime_says_what_to_install(far_side, tmp_path):
    import numpy

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (packages,) = (tmp_path / "bare" / "lib").glob("python3*/site-packages")
    source = Path(numpy.__file__).parent
    for part in (source, source.with_name("numpy.libs")):
        if part.exists():
            (packages / part.name).symlink_to(part)
    text = _refused(f"{far_side.address}{tmp_path}/bare/bin/python", far_side.options())
    assert "'onnxruntime' is not installed; pip install onnxruntime" in text


def test_a_crash_over_ssh_is_told_and_leaves_no_file(far_side, odd_runtime, odd_model):
    options = far_side.options()
    with Bench("odd", "fp32", device=far_side.device, ssh_options=options, limit_seconds=2) as bench:
        bench.add_file("fine", odd_model("fine"))
        with pytest.raises(MeasurementError, match=r"crashed \(SIGABRT\): odd: giving up"):
            bench.add_file("crashes", odd_model("crashes", run="abort"))
        with pytest.raises(MeasurementError, match="longer than 2 s on ssh://"):
            bench.add_file("hangs", odd_model("hangs", run="hang"))
        assert bench.visit("fine")


def test_a_broken_connection_is_no_fault_of_the_network(far_side, odd_runtime, odd_model, children, wait_until):
    options = far_side.options()
    with Bench("odd", "fp32", device=far_side.device, ssh_options=options) as bench:
        bench.add_file("net", odd_model())
        for child in children(far_side.pid):
            os.kill(child, signal.SIGKILL)
        assert bench.visit("net")
        (far_side.folder / "authorized_keys").rename(far_side.folder / "away")
        try:
            for child in children(far_side.pid):
                os.kill(child, signal.SIGKILL)
            with pytest.raises(UnreachableError, match="does not accept your key"):
                bench.visit("net")
        finally:
            (far_side.folder / "away").rename(far_side.folder / "authorized_keys")
        assert bench.visit("net")


def test_a_hanging_run_ends_when_this_side_is_gone(far_side, odd_runtime, odd_model):
    process = WorkerProcess("odd", "fp32", 1, device=far_side.device, ssh_options=far_side.options())
    timer = threading.Timer(0.5, process._connection._process.kill)
    timer.start()
    with pytest.raises(UnreachableError):
        process.load("net", odd_model(run="hang"))
    process.close()


# names of devices


def test_devices_are_local_or_a_machine_reached_by_ssh():
    assert parse_device("local") is None
    assert parse_device("ssh://pi") == SshTarget("pi")
    assert parse_device("ssh://me@pi.local:2222/opt/venv/bin/python") == SshTarget(
        "pi.local", "me", 2222, "/opt/venv/bin/python"
    )
    assert parse_device("ssh://[fe80::1]/x") == SshTarget("fe80::1", python="/x")


_HOSTILE = [
    "",
    "Local",
    "pi",
    "ssh://",
    "ssh:///bin/python",
    "ssh://-oProxyCommand=touch x/",
    "ssh://-oProxyCommand=x/",
    "ssh://-l@pi",
    "ssh://@pi",
    "ssh://a b",
    "ssh://a;b",
    "ssh://$(touch x)",
    "ssh://`x`",
    "ssh://a'b",
    'ssh://a"b',
    "ssh://a|b@pi",
    "ssh://a@b@c",
    "ssh://pi\n",
    "ssh://pi\n-oProxyCommand=x",
    "ssh://pi/a\nb",
    "ssh://pi/a b",
    "ssh://pi/a\x00b",
    "ssh://pi/a\x7fb",
    "ssh://pi/a\u200bb",
    "ssh://pi/\ud800",
    "ssh://pi:0",
    "ssh://pi:65536",
    "ssh://pi:+1",
    "ssh://pi:\u0661",
    "ssh://[::1%eth0]",
    "ssh://pi?x",
    "SSH://pi",
    "adb://serial",
]


@pytest.mark.parametrize("device", _HOSTILE)
def test_anything_else_is_refused_in_one_line(device):
    with pytest.raises(MeasurementError) as caught:
        parse_device(device)
    assert "\n" not in str(caught.value) and "local" in str(caught.value)


_pieces = st.sampled_from(
    ["ssh://", "-", "@", ":", "/", "[", "]", "pi", "22", " ", "\n", "$(x)", ";", "'", '"', "%", "="]
)


@given(st.one_of(st.text(), st.lists(st.one_of(_pieces, st.text(max_size=3))).map("".join).map("ssh://{}".format)))
def test_what_is_taken_for_a_machine_has_harmless_parts(device):
    try:
        target = parse_device(device)
    except MeasurementError:
        return
    if target is None:
        assert device == "local"
        return
    assert target.port is None or 0 < target.port < 65536
    for part in (target.host, target.user, target.python):
        assert part is None or (part and not part.startswith("-"))
        assert not any(c.isspace() or unicodedata.category(c)[0] == "C" for c in part or "")
    assert target.python == "python3" or target.python.startswith("/")
    for part in (target.host, target.user or ""):
        assert set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:")


# what is started and sent


def test_the_command_of_ssh_ends_with_the_host_and_holds_nothing_of_the_device(monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    start_worker("ssh://me@pi:2222/opt/$(x)", sys.stderr.buffer, ("-o", "StrictHostKeyChecking=no"))
    (command,) = started
    assert command[-3:-1] == ["--", "pi"] and "$(x)" not in " ".join(command)
    checks = [part for part in command if part.startswith("StrictHostKeyChecking")]
    assert checks[0] == "StrictHostKeyChecking=yes"  # ssh takes the first


def test_no_ssh_here_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "'ssh'" in _refused("ssh://pi")


def test_modules_in_the_current_folder_do_not_get_in_the_way(temp_folder, tmp_path, monkeypatch):
    for name in ("tempfile", "numpy", "json", "latency_tables", "zoo"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert list_runtimes()


def test_a_time_limit_holds_before_the_process_says_anything(far_side, tmp_path):
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    with (
        Connection(f"{far_side.address}{silent}", far_side.options()) as connection,
        pytest.raises(MeasurementError, match="longer than 1 s"),
    ):
        connection.ask({"do": "runtimes"}, limit=1)


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs ssh")
def test_what_is_said_before_the_first_request_is_not_lost():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        connection = Connection(f"ssh://127.0.0.1:{deaf.getsockname()[1]}")
        with connection, pytest.raises(UnreachableError, match="does its SSH server run"):
            while connection.alive:
                time.sleep(0.05)
            connection.ask({"do": "runtimes"}, limit=10)
