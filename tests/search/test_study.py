import os
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
from search.study import STUDY_NAME, Candidate, SearchResult, storage_url
from search.workers import InProcess


@pytest.fixture(scope="module")
def budget(small_space, small_table):
    """A budget that about half of the space meets."""
    return sorted(o.cost for o in small_table.observations)[12] * small_table.reference_ms


def _trials(folder):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.load_study(study_name=STUDY_NAME, storage=storage_url(folder)).get_trials()


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
    assert all(t.constraints["latency"] <= 0 for t in trained)


def test_what_is_over_the_budget_was_never_trained(finished, budget):
    over = [t for t in _trials(finished[0]) if t.user_attrs.get("predicted_ms", 0) > budget]
    assert all(t.state == TrialState.PRUNED and t.constraints["latency"] > 0 for t in over)
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
    scores, done = InProcess.scores, []

    def stopping(self, tasks):
        for score in scores(self, tasks):
            if len(done) == stop_after:
                raise KeyboardInterrupt
            done.append(score)
            yield score

    arguments = {"trials": 10, "storage": tmp_path, "epochs": 1}
    monkeypatch.setattr(InProcess, "scores", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_search(small_space, digits, small_table, budget, **arguments)
    monkeypatch.setattr(InProcess, "scores", scores)
    run_search(small_space, digits, small_table, budget, **arguments)
    assert _identity(_trials(tmp_path)) == _identity(_trials(finished[0]))


def test_a_failing_candidate_is_recorded_and_the_others_go_on(
    small_space, digits, small_table, budget, tmp_path, monkeypatch
):
    scores = InProcess.scores

    def failing(self, tasks):
        for score in scores(self, tasks):
            yield Score(score.trial, None, 0, 0, 0.0, "TrainingDivergedError: NaN") if score.trial == 1 else score

    monkeypatch.setattr(InProcess, "scores", failing)
    result = run_search(small_space, digits, small_table, budget, trials=4, storage=tmp_path, epochs=1)
    assert result.failed == {1: "TrainingDivergedError: NaN"}
    assert len(result.candidates) == 3


def test_other_settings_do_not_go_on_in_an_old_folder(finished, small_space, digits, small_table, budget):
    with pytest.raises(SearchError, match="another budget_ms, epochs"):
        run_search(small_space, digits, small_table, budget / 2, storage=finished[0], epochs=2)


def test_the_front_holds_what_no_other_beats(finished):
    result = finished[1]
    front = result.pareto_front
    for candidate in result.candidates:
        beaten = any(f.accuracy >= candidate.accuracy and f.predicted_ms <= candidate.predicted_ms for f in front)
        assert beaten
    assert result.best.accuracy == max(c.accuracy for c in result.candidates)
    assert result.best in front


def test_of_equals_the_faster_is_best(tiny):
    import random

    spec = tiny.sample(random.Random(0))
    slow, fast = (Candidate(i, spec, 0.9, ms, 1, 1) for i, ms in enumerate((2.0, 1.0)))
    assert SearchResult((slow, fast), 3.0, 0, {}).best is fast


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


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5.0, 7.0, 9.0])
def test_killed_with_minus_nine_and_started_again_gives_the_same_trials(
    finished, small_space, small_table, budget, tmp_path, seconds
):
    space, table = tmp_path / "space.json", tmp_path / "table.json"
    space.write_text(small_space.model_dump_json())
    small_table.save(table)
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path / "run"), str(space), str(table), repr(budget)]
    process = subprocess.Popen(command)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True)
    assert _identity(_trials(tmp_path / "run")) == _identity(_trials(finished[0]))
