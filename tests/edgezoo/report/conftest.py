"""A small search that was really done."""

import copy
from dataclasses import dataclass

import optuna
import pytest

from search import SearchResult, run_search


@dataclass
class Found:
    """A search's result and its study."""

    result: SearchResult
    study: optuna.Study

    def without_curves(self) -> "Found":
        """Return a copy whose trials have no learning curves."""
        study = optuna.create_study(directions=["maximize", "minimize"])
        for trial in copy.deepcopy(self.study.get_trials()):
            trial.user_attrs.pop("curve", None)
            study.add_trial(trial)
        for name, value in self.study.user_attrs.items():
            study.set_user_attr(name, value)
        return Found(self.result, study)

    def first(self, count: int) -> "Found":
        """Return the same as if only the first candidates had been found."""
        return Found(SearchResult(self.result.candidates[:count], self.result.budget_ms, 0, {}), self.study)


@pytest.fixture(scope="session")
def found(small_space, digits, small_table, tmp_path_factory) -> Found:
    """A search of twelve trials within a budget that about half of the space meets."""
    folder = tmp_path_factory.mktemp("search")
    budget = sorted(o.cost for o in small_table.observations)[12] * small_table.reference_ms
    result = run_search(small_space, digits, small_table, budget, trials=12, storage=folder, epochs=1)
    return Found(result, optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.db'}"))
