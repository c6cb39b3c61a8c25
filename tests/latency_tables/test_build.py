import pytest

import zoo
from latency_tables import TableError, build_table
from latency_tables import build as module


def test_a_stopped_build_goes_on_and_measures_nothing_twice(small_space, tmp_path, monkeypatch):
    progress = tmp_path / "progress"
    observe, measured = module.observe, []

    def stopping(spec, **options):
        if len(measured) == 5:
            raise KeyboardInterrupt
        measured.append(spec.digest)
        return observe(spec, **options)

    arguments = {"networks": 14, "in_chans": 1, "seconds_each": 0.02, "progress_file": progress}
    monkeypatch.setattr(module, "observe", stopping)
    with pytest.raises(KeyboardInterrupt):
        build_table(small_space, **arguments)
    progress.write_text(progress.read_text() + '{"spec": {"resol')  # as a kill leaves a line
    first = list(measured)

    def noting(spec, **options):
        measured.append(spec.digest)
        return observe(spec, **options)

    monkeypatch.setattr(module, "observe", noting)
    table = build_table(small_space, **arguments)
    assert measured[:5] == first and len(measured) == len(set(measured))
    assert {o.spec.digest for o in table.observations} == set(measured)


def test_another_plan_does_not_go_on_from_an_old_file(small_space, tmp_path):
    arguments = {"networks": 12, "seconds_each": 0.01, "progress_file": tmp_path / "progress"}
    build_table(small_space, in_chans=1, **arguments)
    assert build_table(small_space, in_chans=3, **arguments).observations[0].in_chans == 3


def test_networks_may_be_named_and_equal_ones_are_measured_once():
    names = zoo.list_models("shufflenet_v*") + zoo.list_models("ghostnet_0*")
    specs = [zoo.get_spec(name).at_resolution(32) for name in names]
    assert len(specs) >= 10
    table = build_table([*specs, specs[0]], seconds_each=0.01)
    assert [o.spec.digest for o in table.observations] == [spec.digest for spec in specs]
    assert table.space == "list"


def test_too_few_networks_are_no_table():
    with pytest.raises(TableError, match="at least 10"):
        build_table(["mobilenetv1_025"], seconds_each=0.01)


def test_the_table_knows_its_device_and_space(small_table):
    assert small_table.space == "small"
    assert (small_table.device.runtime, small_table.device.dtype, small_table.device.threads) == (
        "onnxruntime",
        "fp32",
        1,
    )
    assert small_table.validation.networks == len(small_table.observations)
