import os
import random
import signal
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import TrialState

from latency_tables import TableError
from search import ForeignTableWarning, SearchError, run_search
from search.scores import Score
from search.storage import open_study
from search.workers import InProcess


@pytest.fixture(scope="module")
def budget(small_space, small_table):
    """A budget that about half of the space meets."""
    return sorted(o.cost for o in small_table.observations)[12] * small_table.reference_ms


def _trials(folder):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return open_study(folder).get_trials()


def _identity(trials):
    return [(t.number, t.state, t.user_attrs.get("digest"), t.values) for t in trials]


@pytest.fixture(scope="module")
def finished(small_space, digits, small_table, budget, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    result = run_search(small_space, digits, small_table, budget, trials=10, storage=folder, epochs=1)
    return folder, result


def test_all_candidates_keep_the_budget_and_were_trained_once(finished, budget):
    folder, result = finished
    assert len(result.candidates) == 10
    assert all(c.predicted_ms <= budget for c in result.candidates)
    assert len({c.spec.digest for c in result.candidates}) == 10
    trained = [t for t in _trials(folder) if t.state == TrialState.COMPLETE and "spec" in t.user_attrs]
    assert all(t.constraints["budget"] <= 0 for t in trained)


def test_what_is_over_the_budget_was_never_trained(finished, budget):
    over = [t for t in _trials(finished[0]) if t.user_attrs.get("predicted_ms", 0) > budget]
    assert all(t.state == TrialState.PRUNED and t.constraints["budget"] > 0 for t in over)
    assert all("spec" not in t.user_attrs and "over the budget" in t.user_attrs["reason"] for t in over)


def test_a_finished_search_trains_nothing_more(finished, small_space, digits, small_table, budget):
    folder, result = finished
    before = _identity(_trials(folder))
    again = run_search(small_space, digits, small_table, budget, trials=10, storage=folder, epochs=1)
    assert _identity(_trials(folder)) == before
    assert again.candidates == result.candidates


def test_a_table_of_another_device_is_warned_of_by_field(finished, small_space, digits, small_table, budget, tmp_path):
    device = small_table.device.model_copy(update={"cpu": "a phone"})
    with pytest.warns(ForeignTableWarning, match="cpu: a phone"):
        run_search(
            small_space, digits, small_table.replace(device=device), budget, trials=1, storage=tmp_path, epochs=1
        )


def test_a_table_of_other_image_sizes_is_refused(small_space, digits, small_table, tmp_path):
    large = small_space.model_copy(update={"resolutions": (96,)})
    with pytest.raises(TableError, match="images of 16 pixels, the network of 96"):
        run_search(large, digits, small_table, 1.0, trials=1, storage=tmp_path)


@pytest.mark.parametrize("stop_after", [1, 3, 6])
def test_a_stopped_search_goes_on_to_the_same_trials(
    finished, small_space, digits, small_table, budget, tmp_path, stop_after, monkeypatch
):
    score_next, done = InProcess.next, []

    def stopping(self, timeout_seconds):
        if len(done) == stop_after:
            raise KeyboardInterrupt
        done.append(score_next(self, timeout_seconds))
        return done[-1]

    arguments = {"trials": 10, "storage": tmp_path, "epochs": 1}
    monkeypatch.setattr(InProcess, "next", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_search(small_space, digits, small_table, budget, **arguments)
    monkeypatch.setattr(InProcess, "next", score_next)
    run_search(small_space, digits, small_table, budget, **arguments)
    assert _identity(_trials(tmp_path)) == _identity(_trials(finished[0]))


def test_a_failing_candidate_is_recorded_and_the_others_go_on(
    small_space, digits, small_table, budget, tmp_path, monkeypatch
):
    score_next = InProcess.next

    def failing(self, timeout_seconds):
        score = score_next(self, timeout_seconds)
        return Score(score.trial, None, failure="TrainingDivergedError: NaN") if score.trial == 1 else score

    monkeypatch.setattr(InProcess, "next", failing)
    result = run_search(small_space, digits, small_table, budget, trials=4, storage=tmp_path, epochs=1)
    assert result.failed == {1: "TrainingDivergedError: NaN"}
    assert len(result.candidates) == 3


def test_a_scoring_that_takes_too_long_has_failed(small_space, digits, small_table, budget, tmp_path):
    with pytest.raises(SearchError, match=r"TimeoutError: not done within 0\.001 seconds"):
        run_search(small_space, digits, small_table, budget, trials=2, storage=tmp_path, epochs=1, max_seconds=0.001)


def test_trainings_that_lag_behind_are_stopped_early(small_space, digits, small_table, budget, tmp_path):
    arguments = {"trials": 8, "storage": tmp_path, "epochs": 3, "pruner": "asha"}
    result = run_search(small_space, digits, small_table, budget, **arguments)
    stopped = [t for t in _trials(tmp_path) if t.user_attrs.get("stopped")]
    assert result.stopped == len(stopped) > 0
    assert len(result.candidates) == 8 - len(stopped)
    assert all(len(t.user_attrs["curve"]) < 3 for t in stopped)
    assert all(len(c.curve) == 3 and c.curve[-1] == c.accuracy for c in result.candidates)


def test_a_supernet_scores_many_without_training_any(small_space, digits, small_table, budget, tmp_path):
    arguments = {"trials": 12, "storage": tmp_path, "score": "supernet", "supernet_epochs": 5}
    result = run_search(small_space, digits, small_table, budget, **arguments)
    assert len(result.candidates) == 12
    assert (tmp_path / "supernet.safetensors").is_file()
    assert result.best.accuracy > 0.2
    with pytest.raises(SearchError, match="give a folder"):
        run_search(small_space, digits, small_table, budget, **arguments | {"storage": f"journal://{tmp_path}/log"})


def test_a_published_network_is_scored_first(small_space, digits, small_table, tmp_path):
    first = small_space.sample(random.Random(5))
    result = run_search(
        small_space, digits, small_table, 1000.0, trials=2, storage=tmp_path, epochs=1, start_from=[first]
    )
    assert result.candidates[0].spec == first


def test_two_devices_and_a_limit_on_parameters_hold_for_all(small_space, digits, small_table, budget, tmp_path):
    slow = small_table.replace(reference_ms=2 * small_table.reference_ms)
    result = run_search(
        small_space,
        digits,
        {"laptop": small_table, "phone": slow},
        {"laptop": budget, "phone": 2.5 * budget},
        limits={"params_m": 0.05},
        objectives=("phone_ms", "params_m"),
        trials=5,
        storage=tmp_path,
        epochs=1,
    )
    for candidate in result.candidates:
        assert candidate.costs["phone_ms"] == pytest.approx(2 * candidate.costs["laptop_ms"])
        assert candidate.costs["laptop_ms"] <= budget
        assert candidate.params / 1e6 <= 0.05
    values = [t.values for t in _trials(tmp_path) if t.state == TrialState.COMPLETE]
    assert all(len(v) == 3 for v in values)


def test_the_soft_reward_goes_beyond_the_budget_at_a_price(small_space, digits, small_table, budget, tmp_path):
    result = run_search(
        small_space, digits, small_table, budget / 4, objectives=("reward",), trials=4, storage=tmp_path, epochs=1
    )
    trial = next(t for t in _trials(tmp_path) if t.number == result.candidates[0].trial)
    over = result.candidates[0].predicted_ms / (budget / 4)
    assert over > 1
    assert trial.values == [pytest.approx(result.candidates[0].accuracy * over**-0.07)]


@pytest.mark.parametrize("sampler", ["front", "tpe", "nsga2", "gp", "random", "evolution"])
def test_every_sampler_keeps_the_budget(small_space, digits, small_table, budget, tmp_path, sampler):
    result = run_search(
        small_space, digits, small_table, budget, trials=12, storage=tmp_path, epochs=1, sampler=sampler
    )
    assert len(result.candidates) == 12
    assert all(c.predicted_ms <= budget for c in result.candidates)


def test_a_journal_file_holds_a_search_too(small_space, digits, small_table, budget, tmp_path):
    url = f"journal://{tmp_path}/study.log"
    result = run_search(small_space, digits, small_table, budget, trials=2, storage=url, epochs=1)
    assert len(result.candidates) == 2
    assert len(_trials(url)) >= 2


def test_other_settings_do_not_go_on_in_an_old_folder(finished, small_space, digits, small_table, budget):
    with pytest.raises(SearchError, match="another budgets_ms, epochs"):
        run_search(small_space, digits, small_table, budget / 2, storage=finished[0], epochs=2)


def test_the_front_holds_what_no_other_beats(finished):
    result = finished[1]
    front = result.pareto_front
    for candidate in result.candidates:
        beaten = any(f.accuracy >= candidate.accuracy and f.predicted_ms <= candidate.predicted_ms for f in front)
        assert beaten
    assert result.best.accuracy == max(c.accuracy for c in result.candidates)
    assert result.best in front


_SCRIPT = """
import sys
from search import SPACES, run_search
from latency_tables import load_table
from zoo.data import load_data
from search import Space
space = Space.from_json(open(sys.argv[2]).read())
run_search(space, load_data("digits", resolution=16), load_table(sys.argv[3]), float(sys.argv[4]), trials=10,
           storage=sys.argv[1], epochs=1)
"""


def _command(folder, small_space, small_table, budget):
    space, table = folder / "space.json", folder / "table.json"
    space.write_text(small_space.model_dump_json())
    small_table.save(table)
    return [sys.executable, "-c", _SCRIPT, str(folder / "run"), str(space), str(table), repr(budget)]


def test_two_processes_share_one_search(small_space, small_table, budget, tmp_path):
    command = _command(tmp_path, small_space, small_table, budget)
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    scored = [t for t in _trials(tmp_path / "run") if "spec" in t.user_attrs]
    assert all(t.state == TrialState.COMPLETE for t in scored)
    assert 10 <= len(scored) <= 11  # both may have taken the last
    assert len({t.user_attrs["digest"] for t in scored}) == len(scored)
    assert len({t.user_attrs["owner"] for t in scored}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5.0, 7.0, 9.0])
def test_killed_with_minus_nine_and_started_again_gives_the_same_trials(
    finished, small_space, small_table, budget, tmp_path, seconds
):
    command = _command(tmp_path, small_space, small_table, budget)
    process = subprocess.Popen(command)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True)
    assert _identity(_trials(tmp_path / "run")) == _identity(_trials(finished[0]))
