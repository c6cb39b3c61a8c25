import gc
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
from pathlib import Path

import pytest

from latency_tables.errors import MeasurementError, RuntimeUnavailableError
from latency_tables.worker_process import WorkerDiedError, WorkerProcess, list_runtimes


@pytest.fixture
def process(temp_folder, children):
    with_others = children()
    process = WorkerProcess("onnxruntime", "fp32", 1, limit_seconds=30)
    yield process
    process.close()
    assert not list(temp_folder.iterdir())
    assert children() == with_others


@pytest.fixture
def odd_process(temp_folder, children, odd_runtime):
    with_others = children()
    process = WorkerProcess("odd", "fp32", 1, limit_seconds=30)
    yield process
    process.close()
    assert not list(temp_folder.iterdir())
    assert children() == with_others


def test_a_model_file_is_timed_profiled_and_forgotten(process, small_model):
    process.load("net", small_model)
    process.load("pace", small_model, (1, 3, 16, 16))
    taken = process.visit("net", "pace", 4)
    assert len(taken) == 4 and all(0 < ms < 100 and 0 < pace < 100 for ms, _, pace, _ in taken)
    assert {node.op for node in process.profile("net", 3)} >= {"Conv"}
    assert process.state().load >= 0
    process.unload("net")
    with pytest.raises(MeasurementError, match="net"):
        process.visit("net", None, 1)
    assert process.visit("pace", None, 1)


def test_a_broken_file_is_one_line_and_the_process_goes_on(process, small_model, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(MeasurementError, match="cannot run it") as caught:
        process.load("broken", tmp_path / "broken.onnx")
    assert "\n" not in str(caught.value)
    process.load("net", small_model)
    assert process.visit("net", None, 1)


def test_facts_are_taken_before_the_process_keeps_to_one_core(process):
    assert process.facts["cores"] == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("where", ["load", "run"])
def test_a_crash_is_one_line_with_the_signal_and_the_last_words(odd_process, odd_model, where):
    with pytest.raises(WorkerDiedError) as caught:
        odd_process.load("net", odd_model(**{where: "abort"}))
    assert str(caught.value) == "the measuring process crashed (SIGABRT): odd: giving up"
    assert not odd_process.alive
    with pytest.raises(WorkerDiedError, match="was ended"):
        odd_process.visit("net", None, 1)


def test_last_words_are_those_of_the_request_that_failed(odd_process, odd_model, measuring_pid):
    odd_process.load("talks", odd_model("talks", load="flood"))
    odd_process.load("hangs", odd_model("hangs", run="hang", after=10))
    os.kill(measuring_pid(odd_process), signal.SIGKILL)
    with pytest.raises(WorkerDiedError) as caught:
        odd_process.visit("hangs", None, 100)
    assert str(caught.value) == "the measuring process crashed (SIGKILL, perhaps out of memory)"


def test_a_killed_process_is_told_by_the_next_request(odd_process, odd_model, measuring_pid):
    odd_process.load("net", odd_model())
    pid = measuring_pid(odd_process)
    timer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(WorkerDiedError, match=r"crashed \(SIGKILL, perhaps out of memory\)"):
        odd_process.visit("net", None, 10_000)
    timer.join()


@pytest.mark.parametrize("where", ["load", "run"])
def test_a_hang_ends_with_the_time_limit(odd_process, odd_model, where):
    odd_process._limit = 0.5
    started = time.monotonic()
    with pytest.raises(WorkerDiedError, match=r"took longer than 0.5 s and was stopped"):
        odd_process.load("net", odd_model(**{where: "hang"}))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("megabytes", [0, 20])
def test_a_stopped_process_that_reads_nothing_ends_with_the_time_limit(
    odd_process, odd_model, measuring_pid, megabytes
):
    odd_process._limit = 0.5
    path = odd_model()
    with (path.parent / "weights").open("wb") as file:
        file.truncate(megabytes * 2**20)
    os.kill(measuring_pid(odd_process), signal.SIGSTOP)
    with pytest.raises(WorkerDiedError, match="took longer"):
        odd_process.load("net", path)


def test_closing_ends_a_process_that_is_stopped(odd_process, measuring_pid):
    os.kill(measuring_pid(odd_process), signal.SIGSTOP)
    started = time.monotonic()
    odd_process.close()
    assert time.monotonic() - started < 3


def test_even_processes_that_do_not_listen_to_signals_end(
    temp_folder, children, odd_runtime, odd_model, monkeypatch, measuring_pid, wait_until
):
    monkeypatch.setattr("latency_tables.worker_process._FAREWELL_SECONDS", 0.2)
    with_others = children()
    process = WorkerProcess("odd", "fp32", 1, limit_seconds=0.5)
    worker, supervisor = measuring_pid(process), process._connection._process.pid
    for pid in (supervisor, worker):
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerDiedError, match="took longer"):
        process.load("net", odd_model())
    process.close()
    assert children() == with_others
    wait_until(lambda: not _runs(worker))  # nobody waits for it: it is no child of this process


def test_what_a_runtime_prints_or_reads_does_not_disturb(odd_process, odd_model):
    for deed in ("print", "read", "flood"):
        for where in ("load", "run"):
            odd_process.load("net", odd_model(f"{deed} in {where}", **{where: deed}))
            assert len(odd_process.visit("net", None, 2)) == 2


def test_whatever_a_runtime_raises_is_one_line_and_the_process_goes_on(odd_process, odd_model):
    texts = {
        "odd error": "OddError: <exception str() failed>",
        "exit": "SystemExit: odd: leaving",
        "error": "RuntimeError: of",
        "two lines": "first second",
    }
    for deed, text in texts.items():
        with pytest.raises(MeasurementError) as caught:
            odd_process.load("net", odd_model(deed, load=deed))
        assert str(caught.value).endswith(text) and "\n" not in str(caught.value)
    odd_process.load("other", odd_model("other"))
    assert odd_process.visit("other", None, 1)


def test_a_big_model_is_streamed(odd_process, odd_model, measuring_pid):
    path, pid = odd_model(), measuring_pid(odd_process)
    with (path.parent / "weights").open("wb") as file:
        file.truncate(200 * 2**20)
    tracemalloc.start()
    odd_process.load("net", path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20
    status = Path(f"/proc/{pid}/status").read_text()
    far_peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    assert far_peak < 150 * 2**20


def test_a_missing_runtime_leaves_nothing(temp_folder, children):
    with pytest.raises(RuntimeUnavailableError, match="no dtype 'int4'"):
        WorkerProcess("onnxruntime", "int4", 1)
    assert not list(temp_folder.iterdir())


def test_closing_twice_and_asking_afterwards_is_one_line(temp_folder):
    process = WorkerProcess("onnxruntime", "fp32", 1)
    process.close()
    process.close()
    with pytest.raises(WorkerDiedError, match="was ended"):
        process.state()


def test_nothing_is_left_to_the_garbage_collector(temp_folder, small_model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        process = WorkerProcess("onnxruntime", "fp32", 1)
        process.load("net", small_model)
        process.close()
        del process
        gc.collect()
    assert [w for w in caught if w.category is ResourceWarning] == []


def test_the_process_ends_with_its_parent_even_in_the_middle_of_a_run(
    temp_folder, children, wait_until, odd_runtime, odd_model, tmp_path
):
    from latency_tables import transport

    (tmp_path / "archive").write_bytes(transport.worker_archive())
    model = odd_model(run="hang")
    script = f"""
from pathlib import Path
from latency_tables import transport
from latency_tables.worker_process import WorkerProcess
transport.worker_archive = Path({str(tmp_path / "archive")!r}).read_bytes
process = WorkerProcess("odd", "fp32", 1)
print("ready", flush=True)
process.load("net", Path({str(model)!r}))
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"ready\n"
    (supervisor,) = children(parent.pid)
    (worker,) = children(supervisor)
    time.sleep(0.3)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not _runs(supervisor) and not _runs(worker))
    assert not list(temp_folder.iterdir())


def test_the_runtimes_there_are_listed(temp_folder):
    known = list_runtimes()
    assert known["onnxruntime"]["version"] and "int8" in known["onnxruntime"]["dtypes"]
    assert not list(temp_folder.iterdir())


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
