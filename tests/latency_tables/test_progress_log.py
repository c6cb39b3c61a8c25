import pytest

from latency_tables.bench import Paired
from latency_tables.observation import Profile
from latency_tables.progress_log import Plan, ProgressLog


@pytest.fixture
def plan(small_table) -> Plan:
    return Plan(
        device=small_table.device,
        space="small",
        seed=0,
        batch=1,
        in_chans=1,
        num_classes=10,
        rounds=2,
        networks=("a", "b"),
    )


def _fill(log):
    log.add_profile("a", Profile(ms=1.0, kernels={"k": 1.5}, rest=0.5, nodes=3, executed={"k": "Conv"}))
    log.add_profile("b", None)
    log.add_samples("a", [Paired(1.0, 0.5, False)], False)
    log.add_samples("a", [Paired(1.25, 0.5, True)], True)
    log.add_failure("c", "no such operator")


def test_what_is_written_is_read_again(plan, tmp_path):
    first = ProgressLog(tmp_path / "log", plan)
    _fill(first)
    again = ProgressLog(tmp_path / "log", plan)
    assert (again.profiles, again.samples, again.failures, again.finished) == (
        first.profiles, first.samples, {"c": "no such operator"}, {"a"},
    )  # fmt: skip


@pytest.mark.parametrize("kept_bytes", range(1, 48, 7))
def test_a_line_cut_short_costs_that_line_only(plan, tmp_path, kept_bytes):
    path = tmp_path / "log"
    _fill(ProgressLog(path, plan))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:kept_bytes])
    again = ProgressLog(path, plan)
    assert again.failures == {} and again.finished == {"a"}
    again.add_failure("d", "late")
    assert ProgressLog(path, plan).failures == {"d": "late"}


def test_another_plan_starts_anew(plan, tmp_path):
    _fill(ProgressLog(tmp_path / "log", plan))
    assert ProgressLog(tmp_path / "log", plan.model_copy(update={"seed": 1})).finished == set()


def test_without_a_file_it_only_remembers(plan):
    log = ProgressLog(None, plan)
    _fill(log)
    assert log.finished == {"a"}
