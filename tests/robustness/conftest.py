"""The command line in this process, a small disk that is full or read-only, and a limit on memory."""

import contextlib
import io
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgezoo.cli import main
from latency_tables import LatencyTable
from latency_tables.table import SHIPPED


@pytest.fixture(scope="session")
def table() -> LatencyTable:
    """Some networks of a table that ships: read in a moment."""
    body = json.loads((SHIPPED / "onnxruntime-int8.json").read_bytes())["table"]
    body["observations"] = [o for o in body["observations"] if o["drawn"]][:20]
    return LatencyTable.model_validate_json(json.dumps(body))


@pytest.fixture
def refused(monkeypatch) -> Callable[..., str]:
    """A function that runs a command that must fail, and returns its one line."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["edgezoo", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1, err.getvalue()
        # a stage that ended before says how long it took
        lines = [line for line in err.getvalue().splitlines() if not line.endswith(" s")]
        assert len(lines) == 1 and lines[0].startswith("error: "), err.getvalue()
        return lines[0]

    return run


def _mount(*arguments: str) -> None:
    if subprocess.run(["mount", *arguments], capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")


@pytest.fixture
def disk(tmp_path) -> Iterator[Callable[..., Path]]:
    """A function that mounts a file system of some kB, or makes the one it mounted larger."""
    folder = tmp_path / "disk"

    def mount(*, size_kb: int) -> Path:
        if folder.exists():
            subprocess.run(["mount", "-o", f"remount,size={size_kb}k", str(folder)], check=True)
        else:
            folder.mkdir()
            _mount("-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder))
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


@pytest.fixture
def read_only(tmp_path_factory) -> Iterator[Callable[[Path], Path]]:
    """A function that gives a folder a second place, where nothing can be written, not even by root."""
    place = tmp_path_factory.mktemp("read-only")

    def mount(folder: Path) -> Path:
        _mount("--bind", str(folder), str(place))
        _mount("-o", "remount,bind,ro", str(place))
        return place

    yield mount
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Four GiB more than the process has already, and no more."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc on this system to tell the memory in use")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * 2**30, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)
