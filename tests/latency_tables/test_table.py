import errno
import json
import os
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from latency_tables import TableError, load_table
from latency_tables.table import shipped_tables


@pytest.fixture(scope="module")
def saved(small_table, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.json"
    small_table.save(path)
    return path


def test_a_saved_table_predicts_the_same(small_table, small_space, saved):
    loaded = load_table(saved)
    spec = small_space.sample(random.Random(9))
    assert loaded == small_table
    assert loaded.predict(spec) == small_table.predict(spec)


def test_predictions_lie_inside_their_interval_and_near_the_measured(small_table):
    predicted = np.array([small_table.predict(o.spec).ms for o in small_table.observations])
    measured = np.array([o.cost * small_table.reference_ms for o in small_table.observations])
    # these networks made the table: the median error is small on any machine
    assert np.median(np.abs(predicted / measured - 1)) < 0.25
    for o in small_table.observations:
        estimate = small_table.predict(o.spec)
        assert 0 <= estimate.low_ms <= estimate.ms <= estimate.high_ms
        assert 0 <= estimate.coverage <= 1 + 1e-9


def test_a_deeper_network_is_never_predicted_faster(small_table, small_space):
    params = small_space.sample_params(random.Random(3)) | {"stage0_kind": "conv", "stage1_kind": "conv"}
    shallow = small_space.decode(params | {"stage0_width": 16, "stage0_depth": 1})
    deep = small_space.decode(params | {"stage0_width": 16, "stage0_depth": 2})
    assert small_table.predict(shallow).ms <= small_table.predict(deep).ms * 1.001


def test_an_unlike_network_is_covered_less_and_its_interval_is_wider(small_table):
    known = small_table.predict(small_table.observations[0].spec)
    unlike = small_table.predict(zoo.get_spec("shufflenet_v2_x1_0").at_resolution(32))
    assert unlike.coverage < known.coverage
    assert unlike.high_ms / unlike.ms > known.high_ms / known.ms


def test_a_batch_or_an_image_size_that_the_table_lacks_is_refused(small_table):
    spec = small_table.observations[0].spec
    with pytest.raises(TableError, match="batch 1, not 8"):
        small_table.predict(spec, batch=8)
    with pytest.raises(TableError, match="images of 16 pixels, the network of 224"):
        small_table.predict(zoo.get_spec("mobilenetv2_100"))


def test_kernels_are_listed_with_spread_and_how_they_were_executed(small_table):
    rows = small_table.kernels()
    assert [row.ms for row in rows] == sorted((row.ms for row in rows), reverse=True)
    for row in rows:
        assert 0 < row.low_ms <= row.ms <= row.high_ms and row.executed and row.networks >= 1
    assert {row.key for row in rows} == {key for o in small_table.observations for key in o.profile.kernels}


def test_a_full_disk_leaves_the_old_file(small_table, saved, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(zoo.EdgezooError, match="No space left on device"):
        small_table.save(saved)
    assert saved.read_bytes() == before and [p.name for p in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("name", shipped_tables())
def test_a_shipped_table_predicts_by_its_name(name, tiny):
    table = load_table(name)
    assert f"{table.device.runtime}-{table.device.dtype}" == name
    assert table.validation.mape < 0.1
    estimate = table.predict(tiny.sample(random.Random(4)))
    assert 0 < estimate.low_ms < estimate.ms < estimate.high_ms


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no valid JSON"),
        (b"[]", "not a latency table"),
        (b'{"table": 3}', "not a latency table"),
        (b'{"table": {"schema_version": 99}}', "schema 99"),
        (b"[" * 100_000, "not"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(content, message, tmp_path):
    path = tmp_path / "table.json"
    path.write_bytes(content)
    with pytest.raises(TableError, match=message) as caught:
        load_table(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_what_makes_one(tmp_path):
    with pytest.raises(TableError, match="edgezoo latency build"):
        load_table(tmp_path / "none.json")


def test_an_edited_figure_is_noticed(saved, tmp_path):
    content = json.loads(saved.read_text())
    content["table"]["reference_ms"] *= 0.5
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(content))
    with pytest.raises(TableError, match="changed after it was measured"):
        load_table(edited)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=8))
def test_any_damage_is_a_table_error(saved, position, junk):
    content = bytearray(saved.read_bytes())
    position %= len(content)
    damaged = bytes(content[:position] + junk + content[position + len(junk) :])
    path = saved.with_name("damaged.json")
    path.write_bytes(damaged)
    try:
        load_table(path)
    except TableError as error:
        assert "\n" not in str(error)
    else:
        assert json.loads(damaged) == json.loads(content)  # only white space was hit
