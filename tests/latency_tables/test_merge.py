import pytest

from latency_tables import TableError, load_table
from latency_tables.merge import merge_tables


def _parts(table):
    half = len(table.observations) // 2
    return [
        table.replace(observations=table.observations[: half + 2], space="first"),
        table.replace(observations=table.observations[half:], space="second"),
    ]


def test_a_joint_table_holds_the_networks_of_both_once(small_table, tmp_path):
    merged = merge_tables(_parts(small_table))
    assert {o.spec.digest for o in merged.observations} == {o.spec.digest for o in small_table.observations}
    assert len(merged.observations) == len(small_table.observations)
    assert merged.space == "first+second"
    merged.save(tmp_path / "merged.json")
    assert load_table(tmp_path / "merged.json") == merged


def test_of_a_network_measured_twice_the_steadier_measurement_counts(small_table):
    first, second = _parts(small_table)
    shared = second.observations[0]
    steadier = shared.model_copy(update={"low": shared.cost * 0.9999, "high": shared.cost * 1.0001})
    second = second.replace(observations=(steadier, *second.observations[1:]))
    for tables in ([first, second], [second, first]):
        assert steadier in merge_tables(tables).observations


def test_tables_of_another_device_or_input_are_refused_by_field(small_table):
    other = small_table.replace(device=small_table.device.model_copy(update={"threads": 2}))
    with pytest.raises(TableError, match="threads: 1, 2"):
        merge_tables([small_table, other])
    with pytest.raises(TableError, match="batch"):
        merge_tables([small_table, small_table.replace(batch=2)])
    with pytest.raises(TableError, match="two"):
        merge_tables([small_table])
