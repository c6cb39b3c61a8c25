import os
import signal
import threading

import pytest
from torch import nn

from latency_tables import MeasurementError, RuntimeUnavailableError, this_device
from latency_tables.bench import Bench

_SHAPE = (1, 3, 8, 8)


@pytest.fixture
def bench(temp_folder, children, odd_runtime):
    """A bench of the odd runtime."""
    with_others = children()
    with Bench("odd", "fp32", limit_seconds=2) as bench:
        yield bench
    assert not list(temp_folder.iterdir())
    assert children() == with_others


def _fails(bench, name):
    """Return the one line that a visit of a network ends in."""
    with pytest.raises(MeasurementError) as caught:
        bench.visit(name, 5)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_networks_and_files_are_timed_beside_the_reference(temp_folder, small_model):
    with Bench("onnxruntime", "fp32") as bench:
        bench.add("convolution", nn.Conv2d(3, 4, 3), _SHAPE)
        bench.add_file("file/of a [strange] name", small_model)
        for name in ("convolution", "file/of a [strange] name"):
            taken = bench.visit(name, 5)
            assert len(taken) == 5
            assert all(0 < pair.ms < 100 and 0 < pair.reference_ms < 100 for pair in taken)
        assert any(node.module == "" and node.op == "Conv" for node in bench.profile("convolution", 3))
        assert bench.device == this_device("onnxruntime", "fp32", 1)
        bench.remove("convolution")
        with pytest.raises(MeasurementError):
            bench.visit("convolution")
        bench.add("convolution", nn.Conv2d(3, 4, 3), _SHAPE)
        assert bench.visit("convolution")
    assert not list(temp_folder.iterdir())


def test_a_file_travels_with_those_of_its_stem_only(bench, odd_model, odd_runtime, monkeypatch):
    path = odd_model()
    (path.parent / "model.bin").write_text("weights")
    (path.parent / "model.odd.data").write_text("weights")
    (path.parent / "models.bin").write_text("of another")
    sent = []
    monkeypatch.setattr(type(bench._worker), "load", lambda self, name, path, shape: sent.extend(path.parent.iterdir()))
    bench.add_file("net", path)
    assert sorted(p.name for p in sent) == ["model.bin", "model.odd", "model.odd.data"]


def test_a_stem_may_hold_a_pattern(bench, odd_model):
    path = odd_model()
    bench.add_file("net", path.rename(path.with_name("model[1]*.odd")))
    assert bench.visit("net")


def test_missing_files_foreign_files_and_names_given_twice_are_refused(bench, odd_model):
    with pytest.raises(MeasurementError, match="no model file"):
        bench.add_file("net", odd_model().with_name("other.odd"))
    with pytest.raises(MeasurementError, match=r"loads .odd, not 'net.onnx'"):
        bench.add_file("net", odd_model("b").with_name("net.onnx"))
    with pytest.raises(ValueError, match="already"):
        bench.add("reference", nn.Conv2d(3, 4, 3), _SHAPE)


def test_a_failed_export_leaves_the_name_free(bench, odd_model, odd_runtime, monkeypatch):
    def refuse(*_, **__):
        raise MeasurementError("no such operator")

    with monkeypatch.context() as patch, pytest.raises(MeasurementError, match="no such operator"):
        patch.setattr(odd_runtime.OddRuntime, "export", refuse)
        bench.add("net", nn.Conv2d(3, 4, 3), _SHAPE)
    bench.add("net", nn.Conv2d(3, 4, 3), _SHAPE)
    assert bench.visit("net")


@pytest.mark.parametrize(
    ("deed", "text"), [("abort", "crashed (SIGABRT): odd: giving up"), ("hang", "longer than 2 s")]
)
def test_only_the_network_that_crashes_or_hangs_fails(bench, odd_model, deed, text):
    bench.add_file("before", odd_model("before"))
    bench.add_file("guilty", odd_model("guilty", run=deed, after=10))
    bench.add_file("after", odd_model("after"))
    assert bench.visit("before") and bench.visit("after")
    assert text in _fails(bench, "guilty")
    assert bench.visit("before") and bench.visit("after")
    # it is not started again for a network that is known to break it
    worker = bench._worker
    assert text in _fails(bench, "guilty")
    assert bench._worker is worker


@pytest.mark.parametrize("deed", ["abort", "hang"])
def test_a_load_that_crashes_or_hangs_fails_alone(bench, odd_model, deed):
    bench.add_file("fine", odd_model("fine"))
    with pytest.raises(MeasurementError):
        bench.add_file("guilty", odd_model("guilty", load=deed))
    assert bench.visit("fine")


@pytest.mark.parametrize("deed", ["abort", "error"])
def test_a_network_that_cannot_be_loaded_again_fails_alone(bench, odd_model, tmp_path, deed):
    bench.add_file("sometimes", odd_model("sometimes", load=deed, **{"if": str(tmp_path / "flag")}))
    bench.add_file("guilty", odd_model("guilty", run="abort", after=10))
    bench.add_file("fine", odd_model("fine"))
    (tmp_path / "flag").touch()
    _fails(bench, "guilty")
    assert bench.visit("fine")
    _fails(bench, "sometimes")
    assert bench.visit("fine")


def test_a_process_killed_in_the_middle_of_a_visit_goes_on_with_the_others(bench, odd_model, measuring_pid):
    bench.add_file("victim", odd_model("victim"))
    bench.add_file("fine", odd_model("fine"))
    timer = threading.Timer(0.3, os.kill, (measuring_pid(bench), signal.SIGKILL))
    timer.start()
    with pytest.raises(MeasurementError, match="SIGKILL"):
        bench.visit("victim", 10_000)
    assert bench.visit("fine")
    bench.remove("victim")
    bench.add_file("victim", odd_model("again"))
    assert bench.visit("victim")


def test_a_process_that_died_between_visits_is_nobodys_fault(bench, odd_model, measuring_pid, wait_until):
    bench.add_file("net", odd_model())
    os.kill(measuring_pid(bench), signal.SIGKILL)
    wait_until(lambda: not bench._worker.alive)
    assert bench.visit("net")
    os.kill(measuring_pid(bench), signal.SIGKILL)
    bench.remove("net")
    assert bench.state()


def test_a_reference_that_crashes_at_once_is_one_line(temp_folder, children, odd_runtime, monkeypatch):
    monkeypatch.setattr(odd_runtime, "REFERENCE", {"load": "abort"})
    with pytest.raises(MeasurementError, match="crashed") as caught:
        Bench("odd", "fp32")
    assert "\n" not in str(caught.value)
    assert not list(temp_folder.iterdir())


@pytest.mark.parametrize("deeds", [{"run": "abort", "after": 10}, {"load": "abort", "if": "flag"}])
def test_a_reference_that_crashes_later_is_one_line_a_network_not_a_loop(
    temp_folder, odd_runtime, odd_model, monkeypatch, tmp_path, deeds
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(odd_runtime, "REFERENCE", deeds)
    with Bench("odd", "fp32") as bench:
        for name in "ab":
            bench.add_file(name, odd_model(name))
        (tmp_path / "flag").touch()
        os.kill(bench._worker._connection._process.pid, signal.SIGTERM)
        bench._worker._connection._process.wait()
        for _ in range(2):
            assert "crashed" in _fails(bench, "a") and "crashed" in _fails(bench, "b")
    assert not list(temp_folder.iterdir())


def test_a_missing_dtype_leaves_nothing(temp_folder, children):
    with pytest.raises(RuntimeUnavailableError, match="no dtype"):
        Bench("onnxruntime", "int4")
    assert not list(temp_folder.iterdir())
