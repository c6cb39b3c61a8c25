"""The same search for those who live in Ray Tune: a ready Tuner with Optuna's search and our sampler.

`run_search` does more: it cuts networks over the budget before anything is started and survives the loss of any
process. This is for experiments that Tune schedules, logs and shows.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution

from latency_tables import LatencyTable
from search.objectives import CostModel, make_goal
from search.samplers import DEFAULT_SAMPLER, SAMPLERS, SamplerContext
from search.spaces import SPACES, SearchSpace
from search.storage import STUDY_NAME, open_storage
from zoo import SpecError
from zoo.data import Splits, load_data
from zoo.training import Epoch, TrainConfig, accuracy, train

if TYPE_CHECKING:
    from ray.tune import Tuner

_METRICS = ["accuracy", "latency_ms"]


def make_tuner(
    space: str | SearchSpace,
    data: str | Splits,
    table: LatencyTable,
    budget_ms: float,
    *,
    trials: int = 40,
    epochs: int = 5,
    seed: int = 0,
    sampler: str = DEFAULT_SAMPLER,
    storage: str | Path | None = None,
    workers: int = 1,
    folder: str | Path | None = None,
) -> "Tuner":
    """Return a Tuner over `space`; `.fit()` runs it. Each trial reports accuracy and latency_ms after each epoch.

    Args:
        storage: of the Optuna study; in memory by default.
        workers: trials at once, one core each.
        folder: where Tune keeps its results, its own choice by default.

    A network over the budget, which our own sampler never proposes, reports an accuracy of 0 without a training.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    space = SPACES.get(space) if isinstance(space, str) else space
    data = load_data(data) if isinstance(data, str) else data
    goal = make_goal(table, budget_ms)
    context = SamplerContext(space, CostModel(space, goal).quick, None, goal.reference)
    algorithm = OptunaSearch(
        {name: CategoricalDistribution(values) for name, values in space.parameters().items()},
        metric=_METRICS,
        mode=["max", "min"],
        sampler=SAMPLERS.get(sampler)(context, seed),
        study_name=STUDY_NAME,
        storage=None if storage is None else open_storage(storage),
    )
    config = TrainConfig(epochs=epochs, seed=seed)
    trainable = tune.with_parameters(_train, space=space, data=data, table=table, budget_ms=budget_ms, config=config)
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(num_samples=trials, search_alg=ConcurrencyLimiter(algorithm, workers)),
        run_config=tune.RunConfig(storage_path=None if folder is None else str(Path(folder).resolve()), verbose=0),
    )


def _train(
    choices: dict[str, Any],
    *,
    space: SearchSpace,
    data: Splits,
    table: LatencyTable,
    budget_ms: float,
    config: TrainConfig,
) -> None:
    import torch
    from ray import tune

    torch.set_num_threads(1)
    try:
        spec = space.decode(choices)
    except SpecError:
        tune.report(dict(zip(_METRICS, (0.0, float(10 * budget_ms)), strict=True)))
        return
    ms = table.predict_any(spec).ms
    if ms > budget_ms:
        tune.report(dict(zip(_METRICS, (0.0, ms), strict=True)))
        return
    network = spec.build(data.num_classes, data.in_chans, seed=config.seed)

    def on_epoch(epoch: Epoch) -> None:
        found = accuracy(network, data.val, data, spec.resolution)
        tune.report({"accuracy": found, "latency_ms": ms, "digest": spec.digest, "epoch": epoch.number})

    train(network, data, config, resolution=spec.resolution, on_epoch=on_epoch)
