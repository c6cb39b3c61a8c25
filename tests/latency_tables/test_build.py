import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

import zoo
from latency_tables import TableError, build_table
from latency_tables.build import cover_kernels
from latency_tables.kernels import spec_kernels

_QUICK = {"in_chans": 1, "seconds_each": 0.05, "rounds": 2}


def _entries(path, kind):
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return [line["network"] for line in lines if kind in line]


def test_a_stopped_build_goes_on_and_measures_nothing_twice(small_space, tmp_path):
    progress = tmp_path / "progress"
    profiled = []

    class StopError(Exception):
        pass

    def stop(done, total):
        profiled[:] = _entries(progress, "profile")
        if len(_entries(progress, "samples")) >= 12:
            raise StopError

    with pytest.raises(StopError):
        build_table(small_space, networks=20, progress_file=progress, on_network=stop, **_QUICK)
    visits = _entries(progress, "samples")
    progress.write_text(progress.read_text() + '{"network": "cut of')  # as a kill leaves a line
    table = build_table(small_space, networks=20, progress_file=progress, **_QUICK)
    assert _entries(progress, "profile")[: len(profiled)] == profiled
    # once before the timing and once after it
    assert set(Counter(_entries(progress, "profile")).values()) <= {1, 2}
    assert _entries(progress, "samples")[: len(visits)] == visits
    assert {o.spec.digest for o in table.observations} == set(profiled)


@pytest.mark.slow
def test_a_build_killed_goes_on(tmp_path):
    out = tmp_path / "table.json"
    command = [sys.executable, "-m", "edgezoo.cli", "latency", "build", "--networks", "20", "--out", str(out)]
    progress = tmp_path / "table.json.progress"
    process = subprocess.Popen(command)
    while not progress.exists() or len(_entries(progress, "profile")) < 8:
        assert process.poll() is None
        time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = _entries(progress, "profile")
    assert not out.exists()
    subprocess.run(command, check=True)
    assert out.exists() and not progress.exists() and len(before) >= 8


def test_another_plan_does_not_go_on_from_an_old_file(small_space, tmp_path):
    arguments = {"networks": 20, "progress_file": tmp_path / "progress", "seconds_each": 0.01, "rounds": 1}
    build_table(small_space, in_chans=1, **arguments)
    assert build_table(small_space, in_chans=3, **arguments).observations[0].in_chans == 3


def test_networks_may_be_named_and_equal_ones_are_measured_once():
    names = zoo.list_models("shufflenet_v*") + zoo.list_models("ghostnet_0*")
    specs = [zoo.get_spec(name).at_resolution(32) for name in names]
    assert len(specs) >= 10
    table = build_table([*specs, specs[0]], seconds_each=0.01, rounds=1)
    assert [o.spec.digest for o in table.observations] == [spec.digest for spec in specs]
    assert table.space == "list" and all(o.drawn for o in table.observations)


def test_named_networks_are_measured_beside_a_space_but_are_no_test_of_it(small_space):
    extra = zoo.get_spec("mobilenetv1_025").at_resolution(32)
    table = build_table(small_space, networks=20, also=[extra], **_QUICK)
    drawn = {o.spec.digest: o.drawn for o in table.observations}
    assert drawn[extra.digest] is False
    assert table.validation.networks == sum(drawn.values()) <= 10


def test_too_few_networks_are_no_table():
    with pytest.raises(TableError, match="at least 10"):
        build_table(["mobilenetv1_025"], seconds_each=0.01, rounds=1)


def test_chosen_networks_leave_less_work_unknown_than_random_ones(tiny):
    rng = random.Random(0)
    measured, pool, new = ([tiny.sample(rng) for _ in range(count)] for count in (10, 60, 40))

    def kernels(spec):
        return [p.kernel for p in spec_kernels(spec, 10, 1) if p.kernel.has_weights]

    def known_work(specs):
        known = {k.key for spec in (*measured, *specs) for k in kernels(spec)}
        shares = [sum(k.macs for k in kernels(s) if k.key in known) / sum(k.macs for k in kernels(s)) for s in new]
        return sum(shares) / len(shares)

    chosen = cover_kernels(measured, pool, 20, 10, 1)
    assert len({s.digest for s in chosen}) == 20
    assert known_work(chosen) > known_work(pool[:20])


def test_the_table_knows_its_device_and_space(small_table):
    assert small_table.space == "small"
    device = small_table.device
    assert (device.runtime, device.dtype, device.threads) == ("onnxruntime", "fp32", 1)
    assert small_table.failures == () and small_table.batch == 1
    assert {o.drawn for o in small_table.observations} == {True, False}


def test_progress_that_cannot_be_written_is_one_line(small_space):
    with pytest.raises(zoo.EdgezooError, match="cannot write /proc/progress") as caught:
        build_table(small_space, progress_file="/proc/progress", **_QUICK)
    assert "\n" not in str(caught.value)
