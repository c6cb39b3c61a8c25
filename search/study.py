"""One Optuna study is the truth of a search: proposals within the budgets, their scores, and the front they make."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from latency_tables import LatencyTable, this_device
from search.budget import feasible_params
from search.early_stopping import make_pruner
from search.errors import ForeignTableWarning, SearchError
from search.objectives import CostModel, Goal, make_goal
from search.ownership import Ownership
from search.proposals import Proposer
from search.result import SearchResult, is_over, is_scored, load_result
from search.samplers import DEFAULT_SAMPLER, SAMPLERS, SamplerContext
from search.scores import SCORES, ScoreTask
from search.scores.training_free import PROXIES
from search.scores.training_free.remembered import remembered_scores
from search.scoring_loop import ScoringLoop
from search.spaces import SPACES, SearchSpace
from search.storage import STUDY_NAME, open_storage, storage_errors
from search.supernet import train_supernet
from search.workers import start_workers
from zoo import ArchSpec, EdgezooError
from zoo.data import Splits, load_data
from zoo.training import TrainConfig

_STARTUP = 6  # networks within the budget, for samplers to vary where random ones rarely are


@storage_errors()
def run_search(
    space: str | SearchSpace,
    data: str | Splits,
    table: LatencyTable | Mapping[str, LatencyTable],
    budget_ms: float | Mapping[str, float],
    *,
    trials: int = 40,
    storage: str | Path,
    workers: int = 1,
    ray_address: str | None = None,
    epochs: int = 5,
    seed: int = 0,
    sampler: str = DEFAULT_SAMPLER,
    pruner: str = "none",
    score: str = "training",
    training_free: Sequence[str] = (),
    objectives: Sequence[str] = (),
    limits: Mapping[str, float] | None = None,
    start_from: Sequence[ArchSpec] = (),
    supernet_epochs: int = 30,
    max_seconds: float | None = None,
    on_trial: Callable[[int, int, float], None] | None = None,
) -> SearchResult:
    """Search `space` for accurate networks that `table` predicts within `budget_ms`; goes on where it stopped.

    Several processes, on several machines, may run the same search on one storage: each scores trials of its own, and
    takes over those of a process that vanished.

    Args:
        data: a name for `zoo.data.load_data`, or the splits themselves.
        table: of the device, or tables of several devices by name; `budget_ms` then holds for each or by name.
        trials: candidates to score; those rejected by the table are not counted.
        storage: a folder, or an Optuna storage URL, see `search.storage.open_storage`.
        workers: more than one scores in Ray tasks.
        epochs: of the short training of each candidate.
        sampler: what proposes, of `SAMPLERS`; the default is ours.
        pruner: what stops trainings early: none, asha, hyperband or median.
        score: how accuracy is found, of `SCORES`; "supernet" trains one first, beside the storage.
        supernet_epochs: of that training.
        training_free: scores, of `PROXIES`, that the sampler `front` guesses accuracies with.
        objectives: costs to minimise beside maximising accuracy, see `search.objectives.Goal`.
        limits: hard limits on other costs, `params_m`, `macs_m`, `peak_memory_mb`, `size_mb`.
        start_from: networks of the space to score first.
        max_seconds: for one scoring; one that takes longer has failed.
        on_trial: called with (scored, all, best accuracy so far) after each candidate.

    Raises BudgetError where no network of the space meets the budget, SearchError where the storage cannot be opened
    or holds a search with other settings, TableError where a table knows nothing of images of the space's sizes. Warns
    with ForeignTableWarning where a table is of another device than this machine.
    """
    space = SPACES.get(space) if isinstance(space, str) else space
    goal = make_goal(table, budget_ms, limits, tuple(objectives))
    for one in goal.tables.values():
        for pixels in space.resolutions:
            one.check_image_size(pixels)
    _warn_of_another_device(goal.table)
    make_sampler = SAMPLERS.get(sampler)
    make_pruner(pruner, epochs)
    SCORES.get(score)
    for name in training_free:
        PROXIES.get(name)
    if trials < 1:
        raise SearchError(f"trials must be at least 1, got {trials}")
    data = load_data(data) if isinstance(data, str) else data
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=STUDY_NAME,
        storage=open_storage(storage),
        directions=["maximize"] + ["minimize"] * (len(goal.metric_names) - 1),
        load_if_exists=True,
    )
    settings = {
        "space": space.model_dump(mode="json"),
        "data": data.name,
        "budgets_ms": dict(goal.budgets_ms),
        "limits": dict(goal.limits),
        "objectives": list(goal.objectives),
        "epochs": epochs,
        "seed": seed,
        "sampler": sampler,
        "pruner": pruner,
        "score": score,
        "training_free": list(training_free),
        "supernet_epochs": supernet_epochs if score == "supernet" else None,
        "tables": {
            name: {"created": t.created, "device": t.device.model_dump(mode="json")} for name, t in goal.tables.items()
        },
    }
    _check_settings(study, settings)
    costs = CostModel(space, goal)
    if "seeded" not in study.user_attrs:
        first = [space.encode(spec) for spec in start_from]
        first += feasible_params(space, costs, max(0, min(_STARTUP, trials) - len(first)), seed)
        _claim(study, goal, settings)
        for params in first:
            study.enqueue_trial(params, skip_if_exists=True)
        study.set_user_attr("seeded", True)
    features = remembered_scores(space, data, training_free, seed=seed) if training_free else None
    context = SamplerContext(space, costs.quick, features, goal.reference)
    curves = [t.user_attrs["curve"] for t in _scored(study) if "curve" in t.user_attrs]
    crew = start_workers(data, workers, ray_address, pruner=pruner, epochs=epochs, curves=curves)
    task = ScoreTask(0, "", TrainConfig(epochs=epochs, seed=seed), score, max_seconds)
    if score == "supernet":
        task = replace(task, supernet=_trained_supernet(space, data, storage, supernet_epochs, seed))
    try:
        with Ownership(study) as ownership:
            proposer = Proposer(
                study,
                space,
                costs,
                ownership,
                make_sampler=lambda trial_seed: make_sampler(context, trial_seed),
                total=trials,
                seed=seed,
            )
            loop = ScoringLoop(study, goal, proposer, crew, ownership, window=_window(study, workers))
            loop.run(
                lambda trial: replace(task, trial=trial.number, spec_json=trial.user_attrs["spec"]),
                lambda: on_trial and on_trial(*_progress(study, trials)),
            )
    finally:
        crew.close()
    return load_result(study)


def _scored(study: optuna.Study) -> list[FrozenTrial]:
    return [t for t in study.get_trials(deepcopy=False) if is_scored(t) and is_over(t)]


def _progress(study: optuna.Study, total: int) -> tuple[int, int, float]:
    done = _scored(study)
    return len(done), total, max((t.user_attrs.get("accuracy", 0.0) for t in done), default=0.0)


def _window(study: optuna.Study, workers: int) -> int:
    """Return how many trials may be open at once, which a search keeps: it decides what is proposed."""
    wanted = 1 if workers == 1 else 2 * workers  # so that a slow trial does not make others wait
    window = max(wanted, study.user_attrs.get("window", 0))
    study.set_user_attr("window", window)
    return window


def _trained_supernet(space: SearchSpace, data: Splits, storage: str | Path, epochs: int, seed: int) -> str:
    """Return the path of the space's supernet, trained to its end; workers elsewhere must see the file too."""
    if "://" in str(storage):
        raise SearchError(
            "the score 'supernet' keeps its weights in the folder of the search: give a folder as storage"
        )
    path = Path(storage).resolve() / "supernet.safetensors"
    train_supernet(space, data, epochs=epochs, seed=seed, path=path)
    return str(path)


def _warn_of_another_device(table: LatencyTable) -> None:
    """Warn where the table is not of this machine: the budget then holds there, not here."""
    device = table.device
    try:
        different = device.differences(this_device(device.runtime, device.dtype, device.threads))
    except EdgezooError as error:
        different = [str(error)]
    if different:
        warnings.warn(
            f"the latency table is of another device: {'; '.join(different)}", ForeignTableWarning, stacklevel=3
        )


def _check_settings(study: optuna.Study, settings: dict[str, Any]) -> None:
    """Raise SearchError where the study is of a search with other settings."""
    known = study.user_attrs.get("settings", settings)
    different = [key for key, value in settings.items() if json.dumps(known.get(key)) != json.dumps(value)]
    if different:
        raise SearchError(f"the storage holds a search with another {', '.join(different)}; take another folder")


def _claim(study: optuna.Study, goal: Goal, settings: dict[str, Any]) -> None:
    """Write the settings into a new study."""
    study.set_user_attr("settings", settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls it experimental since 3.2
        study.set_metric_names(goal.metric_names)
