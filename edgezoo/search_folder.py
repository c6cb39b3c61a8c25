"""A search that lives in a folder: its settings and tables beside its study, so that the folder's name is enough."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import optuna
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latency_tables import LatencyTable, load_table
from search import SearchError, SearchResult, SearchSpace, load_result, run_search
from search.objectives import Goal, make_goal
from search.result import figure, is_over, is_scored
from search.samplers import DEFAULT_SAMPLER
from search.spaces import load_space
from search.storage import open_study, storage_errors
from zoo import EdgezooError, get_spec
from zoo.data import load_data
from zoo.files import read_small, write_atomic

_SETTINGS = "search.json"


class SearchSettings(BaseModel):
    """Everything that decides what a search finds.

    Attributes:
        space: its declaration.
        budgets_ms: by the name of a device; "" where there is one.
        start_from: names of zoo networks to score first.
        storage: URL of the study; None for a database in the folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: dict[str, Any]
    data: str
    image_size: Annotated[int, Field(ge=8, le=512)] = 32
    budgets_ms: dict[str, Annotated[float, Field(gt=0)]]
    limits: dict[str, Annotated[float, Field(gt=0)]] = {}
    objectives: tuple[str, ...] = ()
    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 5
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    sampler: str = DEFAULT_SAMPLER
    pruner: str = "none"
    score: str = "training"
    training_free: tuple[str, ...] = ()
    supernet_epochs: Annotated[int, Field(ge=1, le=10_000)] = 30
    start_from: tuple[str, ...] = ()
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    storage: str | None = None

    def read_space(self) -> SearchSpace:
        """Return the space that is searched."""
        return load_space(json.dumps(self.space))


def save_search(folder: Path, settings: SearchSettings, tables: Mapping[str, LatencyTable]) -> None:
    """Write a new search into `folder`; raises EdgezooError where it holds another one."""
    path = folder / _SETTINGS
    if path.exists() and _has_trials(folder):
        known = load_settings(folder)
        if known.model_copy(update={"trials": settings.trials}) != settings:
            mine, theirs = settings.model_dump(), known.model_dump()
            different = ", ".join(name for name in mine if mine[name] != theirs[name])
            raise EdgezooError(f"{folder} holds a search with another {different}; take another --out")
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.save(_table_path(folder, name))
    write_atomic(path, settings.model_dump_json(indent=1))


def _has_trials(folder: Path) -> bool:
    """Return whether the search in `folder` has begun: until then it may still get other settings."""
    try:
        return bool(study_of(folder).get_trials(deepcopy=False))
    except SearchError:
        return False


def load_settings(folder: Path) -> SearchSettings:
    """Return the settings of the search in `folder`; raises EdgezooError where there is none."""
    try:
        return SearchSettings.model_validate_json(read_small(folder / _SETTINGS))
    except FileNotFoundError:
        raise EdgezooError(f"{folder} holds no search ({_SETTINGS} is missing); see edgezoo search start") from None
    except (OSError, ValidationError):
        raise EdgezooError(f"{folder / _SETTINGS} cannot be read as the settings of a search") from None


def load_goal(folder: Path, settings: SearchSettings) -> Goal:
    """Return what the search in `folder` is after, with its tables."""
    return make_goal(_load_tables(folder, settings), settings.budgets_ms, settings.limits, settings.objectives)


def go_on(
    folder: Path,
    *,
    workers: int = 1,
    ray_address: str | None = None,
    on_trial: Callable[[int, int, float], None] | None = None,
) -> SearchResult:
    """Run the search in `folder` to its end; see `search.run_search` for the errors."""
    settings = load_settings(folder)
    return run_search(
        settings.read_space(),
        load_data(settings.data, resolution=settings.image_size, seed=settings.seed),
        _load_tables(folder, settings),
        settings.budgets_ms,
        trials=settings.trials,
        storage=settings.storage or folder,
        workers=workers,
        ray_address=ray_address,
        epochs=settings.epochs,
        seed=settings.seed,
        sampler=settings.sampler,
        pruner=settings.pruner,
        score=settings.score,
        supernet_epochs=settings.supernet_epochs,
        training_free=settings.training_free,
        objectives=settings.objectives,
        limits=settings.limits,
        start_from=[get_spec(name) for name in settings.start_from],
        max_seconds=settings.max_seconds,
        on_trial=on_trial,
    )


def study_of(folder: Path) -> optuna.Study:
    """Return the study of the search in `folder`; raises EdgezooError where it has none yet."""
    return open_study(load_settings(folder).storage or folder)


def result_of(folder: Path) -> SearchResult:
    """Return what the search in `folder` has found so far."""
    return load_result(study_of(folder))


@storage_errors()
def status_of(folder: Path) -> dict[str, Any]:
    """Return how far the search in `folder` is: counts of trials, the best, the time that the rest will take."""
    settings, study = load_settings(folder), study_of(folder)
    trials = study.get_trials(deepcopy=False)
    scored = [t for t in trials if is_scored(t)]
    done = [t for t in scored if is_over(t)]
    best = max((figure(t, "accuracy") for t in done), default=None)
    owners = {str(t.user_attrs.get("owner")) for t in scored if t not in done}
    left = settings.trials - len(done)
    mean = sum(figure(t, "seconds") for t in done) / len(done) if done else None
    return {
        "trials": settings.trials,
        "scored": len(done),
        "failed": sum("accuracy" not in t.user_attrs for t in done),
        "stopped_early": sum(bool(t.user_attrs.get("stopped")) for t in done),
        "in_flight": len(scored) - len(done),
        "rejected": sum(t.state.name == "PRUNED" for t in trials if not is_scored(t)),
        "best_accuracy": best,
        "seconds_each": mean,
        "seconds_left_on_one_worker": None if mean is None else left * mean,
        "processes": len(owners),
    }


def _load_tables(folder: Path, settings: SearchSettings) -> dict[str, LatencyTable]:
    return {name: load_table(_table_path(folder, name)) for name in settings.budgets_ms}


def _table_path(folder: Path, name: str) -> Path:
    return folder / (f"table-{name}.json" if name else "table.json")
