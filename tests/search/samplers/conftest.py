"""A space whose networks have a known accuracy and cost, so that searches take no time."""

from typing import Any

import optuna
import pytest

from search.samplers import SamplerContext
from search.spaces import SearchSpace
from search.spaces.base import Params
from zoo import ArchSpec, BlockSpec

WORTH = {"slow": 1.0, "quick": 0.8, "poor": 0.3, "odd": 0.2}


class ToySpace(SearchSpace):
    """Three widths and three kinds, 8,000 combinations; `odd` is for a width of 1 alone, or there is no network."""

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        return {f"width{i}": (1, 2, 3, 4, 5) for i in range(3)} | {f"kind{i}": tuple(WORTH) for i in range(3)}

    def decode(self, params: Params) -> ArchSpec:
        code = 0
        for name, values in self.parameters().items():
            code = code * len(values) + values.index(params[name])
        too_wide = 20_000
        return ArchSpec(
            resolution=8, blocks=(BlockSpec(kind="conv", out_chans=1 + code if self.valid(params) else too_wide),)
        )

    def valid(self, params: Params) -> bool:
        return all(params[f"kind{i}"] != "odd" or params[f"width{i}"] == 1 for i in range(3))

    def cost(self, params: Params) -> float:
        return sum(params[f"width{i}"] ** 1.5 * (2 if params[f"kind{i}"] == "slow" else 1) for i in range(3))

    def memory(self, params: Params) -> float:
        return float(max(params[f"width{i}"] * (3 if params[f"kind{i}"] == "quick" else 1) for i in range(3)))

    def accuracy(self, params: Params) -> float:
        gain = sum(params[f"width{i}"] ** 0.7 * WORTH[params[f"kind{i}"]] for i in range(3))
        return 1 - 2.718 ** (-0.4 * gain)


@pytest.fixture(scope="session")
def toy() -> ToySpace:
    return ToySpace(name="toy", resolutions=(8,))


@pytest.fixture
def make_context(toy):
    """Return a function that gives a context of the toy space with so many objectives after the accuracy."""

    def make(objectives=1, budget=25.0, features=None):
        def costs(params):
            if not toy.valid(params) or toy.cost(params) > budget:
                return None
            return (toy.cost(params), toy.memory(params))[:objectives]

        return SamplerContext(toy, costs, features, (budget, 15.0)[:objectives])

    return make


@pytest.fixture
def search(toy):
    """Return a function that runs a sampler for some trials, as a plain Optuna user would, and returns the study."""

    def run(sampler, trials, objectives=1, study=None):
        study = study or optuna.create_study(directions=["maximize"] + ["minimize"] * objectives)
        study.sampler = sampler

        def objective(trial):
            params = {n: trial.suggest_categorical(n, values) for n, values in toy.parameters().items()}
            values = (toy.accuracy(params), toy.cost(params), toy.memory(params))
            return values[: objectives + 1]

        study.optimize(objective, n_trials=trials)
        return study

    return run


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
