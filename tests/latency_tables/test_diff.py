import pytest

from latency_tables import TableError
from latency_tables.diff import diff_tables


def _twice_as_slow(table):
    device = table.device.model_copy(update={"cpu": "another"})
    return table.replace(reference_ms=2 * table.reference_ms, device=device)


def test_a_table_is_like_itself(small_table):
    found = diff_tables(small_table, small_table)
    assert found.device == () and found.measured == len(small_table.observations)
    assert (found.measured_ratio, found.predicted_ratio) == (1.0, 1.0)
    assert found.kendall_tau == pytest.approx(1.0)
    assert {change.ratio for change in found.kernels} == {1.0}


def test_a_slower_device_is_told_by_its_factor(small_table):
    found = diff_tables(small_table, _twice_as_slow(small_table))
    assert found.device == (f"cpu: {small_table.device.cpu}, another",)
    assert found.measured_ratio == pytest.approx(2) and found.predicted_ratio == pytest.approx(2)
    assert all(change.ratio == pytest.approx(2) for change in found.kernels)


def test_tables_without_a_network_in_common_are_compared_by_their_predictions(small_table):
    half = len(small_table.observations) // 2
    first = small_table.replace(observations=small_table.observations[:half])
    second = small_table.replace(observations=small_table.observations[half:])
    found = diff_tables(first, second)
    assert found.measured == 0 and found.measured_ratio is None
    assert 0.3 < found.low_ratio <= found.predicted_ratio <= found.high_ratio < 3


def test_tables_of_different_inputs_cannot_be_compared(small_table):
    with pytest.raises(TableError, match="different inputs"):
        diff_tables(small_table, small_table.replace(batch=4))
