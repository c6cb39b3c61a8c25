"""Fixtures for tests of the measuring process."""

import importlib.util
import io
import json
import os
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latency_tables import transport
from latency_tables.runtimes import RUNTIMES

_ODD_RUNTIME = Path(__file__).with_name("odd_runtime.py")
collect_ignore = [_ODD_RUNTIME.name]  # to collect doctests would register it


def _wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def wait_until():
    """A function that waits for a condition to become true."""
    return _wait_until


@pytest.fixture
def temp_folder(tmp_path, monkeypatch):
    """Where this process and the measuring processes put their temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """An ONNX file of one convolution, (1, 3, 16, 16) to (1, 8, 16, 16)."""
    weight = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weight"], ["logits"], pads=[1, 1, 1, 1])],
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, (1, 3, 16, 16))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 8, 16, 16))],
        [weight],
    )
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def odd_runtime(monkeypatch):
    """The module of the misbehaving runtime, known here and shipped to measuring processes."""
    shipped = transport.worker_archive()

    def archive():
        buffer = io.BytesIO(shipped)
        with zipfile.ZipFile(buffer, "a") as file:
            file.write(_ODD_RUNTIME, "latency_tables/runtimes/odd.py")
        return buffer.getvalue()

    monkeypatch.setattr(transport, "worker_archive", archive)
    spec = importlib.util.spec_from_file_location("odd_runtime", _ODD_RUNTIME)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    RUNTIMES._entries.pop("odd")


@pytest.fixture
def odd_model(tmp_path):
    """A function that writes a model file of the odd runtime, in a folder of its own."""

    def write(name="net", **deeds):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.odd").write_text(json.dumps(deeds))
        return folder / "model.odd"

    return write


def _children(pid):
    """Return the living child processes of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="session")
def children():
    """A function that returns the process ids of a process' children; this process' by default."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc on this system to find processes in")
    return lambda pid=None: _children(pid or os.getpid())


@pytest.fixture(scope="session")
def measuring_pid(children):
    """A function that returns the process id of a local process that measures; its parent looks after it."""

    def find(process):
        connection = getattr(process, "_worker", process)._connection
        (pid,) = children(connection._process.pid)
        return pid

    return find
