from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from latency_tables import MeasurementError, measure
from latency_tables.bench import Paired
from latency_tables.machine import MachineState
from latency_tables.measurement import common_reference_ms, doubts, summarize, time_in_turns


class _Bench:
    """Stands in for the process that measures: networks of known cost on a machine whose pace drifts."""

    def __init__(self, costs, fails=None):
        self.costs, self.fails, self.order = costs, fails, []

    def visit(self, name, samples):
        self.order.append(name)
        if name == self.fails and self.order.count(name) > 2:
            raise MeasurementError("crashed")
        pace = 0.5 + 0.01 * (len(self.order) % 40)
        return [Paired(self.costs[name] * pace, pace, False)] * samples


def test_networks_take_turns_and_drift_leaves_their_ratio_alone():
    bench = _Bench({"a": 2.0, "b": 3.0})
    samples = time_in_turns(bench, ["a", "b"], seconds_each=9.0)
    assert bench.order[:4] == ["a", "b", "a", "b"]
    assert [summarize(samples[name]).cost for name in "ab"] == pytest.approx([2.0, 3.0])


def test_a_network_whose_median_is_known_is_left_alone():
    bench = _Bench({"a": 2.0, "b": 3.0})
    time_in_turns(bench, ["a", "b"], seconds_each=9.0, min_visits=12)
    assert bench.order.count("a") == bench.order.count("b") == 12


def test_a_network_that_fails_is_missing_and_the_others_are_timed():
    samples = time_in_turns(_Bench({"a": 2.0, "b": 3.0}, fails="a"), ["a", "b"], seconds_each=9.0)
    assert set(samples) == {"b"}


def test_samples_of_an_interrupted_run_count():
    bench, known = _Bench({"a": 2.0}), [Paired(2.0, 1.0, False)] * 21
    samples = time_in_turns(bench, ["a"], seconds_each=9.0, known={"a": known})
    assert len(bench.order) == 1 and len(samples["a"]) == 24


def test_networks_are_compared_by_one_pace():
    slow, fast = [Paired(4.0, 2.0, False)] * 9, [Paired(2.0, 1.0, False)] * 9
    pace = common_reference_ms([slow, fast])
    assert summarize(slow, reference_ms=pace).median_ms == summarize(fast, reference_ms=pace).median_ms


def test_what_makes_a_measurement_doubtful_is_said():
    measured = summarize([Paired(1.0 + 0.1 * (i % 3), 1.0, i % 2 == 0) for i in range(30)])
    found = doubts(measured, MachineState(1.5, "powersave", 3), MachineState(1.5, "powersave", 4))
    assert [
        text in line
        for text, line in zip(("busy", "governor", "throttled", "disturbed", "known to"), found, strict=True)
    ] == [True] * 5
    steady = summarize([Paired(1.0, 1.0, False)] * 30)
    assert doubts(steady, MachineState(0.1, "performance", 3), MachineState(0.9, "performance", 3)) == []


def test_disturbed_samples_are_left_out_and_counted():
    samples = [Paired(1.0, 0.5, False)] * 50 + [Paired(9.0, 0.5, True)] * 20
    summary = summarize(samples)
    assert (summary.median_ms, summary.cost, summary.samples, summary.rejected) == (1.0, 2.0, 50, 20)


def test_where_all_are_disturbed_all_count():
    summary = summarize([Paired(1.0, 0.5, True)] * 5)
    assert (summary.median_ms, summary.samples, summary.rejected) == (1.0, 5, 5)


@given(st.lists(st.floats(0.01, 100), min_size=5, max_size=200))
def test_quantiles_and_interval_are_in_order(values):
    summary = summarize([Paired(v, 1.0, False) for v in values])
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
