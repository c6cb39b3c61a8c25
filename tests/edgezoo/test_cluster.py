"""Searches on several machines, by the commands that the documentation gives: here they are processes of one."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import optuna
import pytest

from search import SearchError
from search.ownership import OWNER
from search.result import is_over
from search.storage import open_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_TRIALS = 12
_SERVER = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
_PASSWORD = "correct horse"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _running(*command: object, **options) -> Iterator[subprocess.Popen]:
    """Start a program; at the end it and all that it started are killed."""
    process = subprocess.Popen([*map(str, command)], start_new_session=True, **options)
    try:
        yield process
    finally:
        _kill(process)


def _kill(process: subprocess.Popen) -> None:
    for pid in _members(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(60)


def _members(process: subprocess.Popen) -> dict[int, str]:
    """Return the titles of what `process` started, by number: Ray's workers leave its group but not its session."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(entry.name)) == process.pid:
                found[int(entry.name)] = (entry / "cmdline").read_text()
    return found


def _search(out: Path, *options: object) -> list[object]:
    return [
        sys.executable, "-m", "edgezoo.cli", "search", "start", "--data", "digits", "--image-size", 16,
        "--budget-ms", 1000, "--trials", _TRIALS, "--epochs", 3, "--sampler", "random", "--out", out, *options,
    ]  # fmt: skip


def _wait_for(what: str, holds, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not in {seconds:g} seconds"
        time.sleep(0.2)


def _scored(storage: str | Path) -> int:
    try:
        return sum(is_over(trial) for trial in open_study(storage).get_trials(deepcopy=False))
    except SearchError:
        return 0


def _ray(*arguments: object) -> list[object]:
    return [Path(sys.executable).with_name("ray"), "start", "--num-cpus=1", "--object-store-memory=200000000",
            "--disable-usage-stats", "--block", *arguments]  # fmt: skip


def _trains(machine: subprocess.Popen) -> bool:
    return any(title.startswith("ray::_score") for title in _members(machine).values())


def _nodes(address: str) -> int:
    script = f"import ray; ray.init({address!r}, log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return int(found.stdout or 0)


def test_a_search_on_a_ray_cluster_survives_the_death_of_a_machine(tmp_path, monkeypatch, scored_once):
    """A head and a machine more, the second of them killed while it trains.

    Everywhere, in each shell:  export RAY_AUTH_MODE=token       (a head takes a token that it finds, the others do not)
    On the first machine:       ray get-auth-token --generate    (~/.ray/auth_token, copied to the others)
                                ray start --head --port=6379
    On each of the others:      ray start --address=HEAD:6379
    On any of them:             edgezoo search start --ray-address HEAD:6379 --workers 2 --data digits ... --out FOLDER
    """
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    port = _free_port()
    address, log = f"127.0.0.1:{port}", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with _running(*_ray("--head", f"--port={port}", "--include-dashboard=false"), **log):
        _wait_for("the head", lambda: _nodes(address) == 1)
        with _running(*_ray(f"--address={address}"), **log) as second:
            _wait_for("the second machine", lambda: _nodes(address) == 2)
            command = _search(tmp_path / "run", "--ray-address", address, "--workers", 2)
            with _running(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as search:
                _wait_for("two networks", lambda: _scored(tmp_path / "run") >= 2)
                # its worker may still be importing; a task that has not begun is no loss
                _wait_for("a training on the second machine", lambda: _trains(second))
                _kill(second)
                left = _TRIALS - _scored(tmp_path / "run")
                out, errors = search.communicate(timeout=600)
        assert _nodes(address) == 1
    assert left > 1, "the machine died too late to matter"
    assert search.returncode == 0, errors
    assert f"{_TRIALS} scored" in out
    scored_once(open_study(tmp_path / "run"), _TRIALS)


@pytest.fixture
def postgresql() -> Iterator[str]:
    """URL of a database in a server of its own, without the password."""
    assert _SERVER
    folder = Path(tempfile.mkdtemp(prefix="edgezoo-postgresql-"))  # pytest's folders are closed to other users
    who: Mapping = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        who = {"user": "postgres", "group": owner.pw_gid, "extra_groups": [], "cwd": folder}
    port, password = _free_port(), folder / "password"
    password.write_text(_PASSWORD)
    password.chmod(0o644)
    data, log = folder / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ["--username=edgezoo", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"]
    try:
        subprocess.run([_SERVER / "initdb", f"--pgdata={data}", *options], check=True, **log, **who)
        with _running(_SERVER / "postgres", "-D", data, "-p", port, "-k", folder, **log, **who):
            ready = [_SERVER / "pg_isready", "-h", folder, "-p", str(port)]
            _wait_for("the server", lambda: subprocess.run(ready, **log).returncode == 0)
            create = [_SERVER / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "edgezoo", "edgezoo"]
            subprocess.run(create, check=True, env=os.environ | {"PGPASSWORD": _PASSWORD})
            yield f"postgresql+psycopg://edgezoo@127.0.0.1:{port}/edgezoo"
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(_SERVER is None, reason="PostgreSQL is not installed (apt install postgresql)")
def test_two_processes_search_together_on_postgresql(tmp_path, postgresql, monkeypatch, scored_once):
    """Two machines that share nothing but a database.

    On the database's machine:  sudo -u postgres createuser --pwprompt edgezoo
                                sudo -u postgres createdb --owner=edgezoo edgezoo
    On each of the others:      export PGPASSWORD=...       (or a line in ~/.pgpass)
                                edgezoo search start --storage postgresql+psycopg://edgezoo@HOST/edgezoo --data ...
    """
    pytest.importorskip("psycopg", reason="pip install 'edgezoo[postgresql]'")
    monkeypatch.setenv("PGPASSWORD", _PASSWORD)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    log = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    commands = [_search(tmp_path / name, "--storage", postgresql, "--workers", 1) for name in ("a", "b")]
    with _running(*commands[0], **log) as first, _running(*commands[1], **log) as second:
        answers = [process.communicate(timeout=600) for process in (first, second)]
    for process, (out, errors) in zip((first, second), answers, strict=True):
        assert process.returncode == 0, errors
        assert f"{_TRIALS} scored" in out
    trials = scored_once(open_study(postgresql), _TRIALS)
    assert len({trial.user_attrs[OWNER] for trial in trials}) == 2
    assert _PASSWORD not in (tmp_path / "a" / "search.json").read_text()
