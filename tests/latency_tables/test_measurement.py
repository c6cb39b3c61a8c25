import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from latency_tables import MeasurementError, measure
from latency_tables.measurement import Sample, summarize, time_sessions


class _Sleeper:
    """Takes a known time."""

    def __init__(self, ms: float) -> None:
        self.seconds = ms / 1000

    def run(self) -> None:
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass


def test_times_are_those_of_one_run_in_milliseconds():
    fast, slow = time_sessions([_Sleeper(0.2), _Sleeper(0.6)], max_seconds=0.5)
    assert summarize(fast).median_ms == pytest.approx(0.2, rel=0.2)
    assert summarize(slow).median_ms == pytest.approx(0.6, rel=0.2)


def test_sessions_take_turns():
    order = []

    class Noting:
        def __init__(self, name):
            self.name = name

        def run(self):
            order.append(self.name)
            time.sleep(0.003)

    time_sessions([Noting("a"), Noting("b")], max_seconds=0.0, min_samples=5)
    turns = order[-4:]
    assert turns in (["a", "b", "a", "b"], ["b", "a", "b", "a"])


def test_a_sample_whose_thread_was_not_running_counts_as_disturbed():
    class Waiting:
        def run(self):
            time.sleep(0.004)

    samples = time_sessions([Waiting()], max_seconds=0.0, min_samples=5)[0]
    assert all(sample.disturbed for sample in samples)


def test_disturbed_samples_are_left_out_and_counted():
    samples = [Sample(1.0, False)] * 50 + [Sample(9.0, True)] * 20
    summary = summarize(samples)
    assert (summary.median_ms, summary.samples, summary.rejected) == (1.0, 50, 20)


@given(st.lists(st.floats(0.01, 100), min_size=5, max_size=200))
def test_quantiles_and_interval_are_in_order(values):
    summary = summarize([Sample(v, False) for v in values])
    assert min(values) <= summary.p10_ms <= summary.median_ms <= summary.p90_ms <= max(values)
    assert summary.low_ms <= summary.median_ms * (1 + 1e-9) and summary.median_ms <= summary.high_ms * (1 + 1e-9)


def test_a_larger_network_takes_longer():
    small, large = (zoo.get_spec(name).at_resolution(96) for name in ("mobilenetv1_025", "mobilenetv1_100"))
    assert measure(small, max_seconds=0.5).median_ms < measure(large, max_seconds=0.5).median_ms


def test_names_specs_modules_and_files_can_be_measured(tmp_path):
    from latency_tables.onnx_files import export_onnx

    spec = zoo.get_spec("mobilenetv1_025").at_resolution(32)
    export_onnx(spec.build(), (1, 3, 32, 32), tmp_path / "net.onnx")
    for net in (spec, spec.build(), "mobilenetv1_025", "timm/resnet10t", tmp_path / "net.onnx"):
        assert measure(net, (1, 3, 32, 32), max_seconds=0.05).median_ms > 0
    assert measure(spec, runtime="torch", max_seconds=0.05).median_ms > 0


def test_a_missing_or_broken_file_is_one_line(tmp_path):
    with pytest.raises(MeasurementError, match="no model file"):
        measure(Path("nowhere.onnx"))
    (tmp_path / "broken.onnx").write_bytes(b"not onnx")
    with pytest.raises(MeasurementError, match="cannot run it") as caught:
        measure(tmp_path / "broken.onnx")
    assert "\n" not in str(caught.value)
