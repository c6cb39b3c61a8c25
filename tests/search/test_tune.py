import pytest

from search.storage import open_study
from search.tune import make_tuner


@pytest.fixture
def results(small_space, digits, small_table, tmp_path):
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    budget = sorted(o.cost for o in small_table.observations)[12] * small_table.reference_ms
    tuner = make_tuner(
        small_space,
        digits,
        small_table,
        budget,
        trials=4,
        epochs=2,
        storage=tmp_path / "study",
        workers=2,
        folder=tmp_path / "tune",
    )
    try:
        yield budget, tuner.fit(), open_study(tmp_path / "study")
    finally:
        ray.shutdown()


def test_tune_runs_the_search_within_the_budget_and_optuna_keeps_it(results):
    budget, found, study = results
    assert len(found) == 4 and not found.errors
    assert all(result.metrics["epoch"] == 2 for result in found)
    assert all(result.metrics["latency_ms"] <= budget for result in found)
    assert len({result.metrics["digest"] for result in found}) == 4
    values = sorted(trial.values for trial in study.get_trials())
    assert values == sorted([r.metrics["accuracy"], r.metrics["latency_ms"]] for r in found)
