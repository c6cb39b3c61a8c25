"""One Optuna study: proposals within the budget, their scores, and the front they make.

The study is the truth. Trials are asked for in rounds: a round is proposed as a whole before any of it is told, and
the sampler of each trial is seeded by the trial's number. So a search that is stopped anywhere and started again
proposes the same trials as one that never stopped, however many workers score them.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from latency_tables import LatencyTable, this_device
from search.budget import feasible_params
from search.errors import ForeignTableWarning, SearchError
from search.scores import Score, ScoreTask
from search.spaces import SPACES, Space
from search.workers import InProcess, RayWorkers
from zoo import ArchSpec, EdgezooError, SpecError
from zoo.data import Splits, load_data
from zoo.training import TrainConfig

STUDY_NAME = "edgezoo"
_MAX_REJECTIONS = 300  # in a row, before the search is taken to be done
_STARTUP = 10


@dataclass(frozen=True)
class Candidate:
    """A scored network.

    Attributes:
        accuracy: on the validation images after the short training, 0..1.
        predicted_ms: by the latency table.
    """

    trial: int
    spec: ArchSpec
    accuracy: float
    predicted_ms: float
    params: int
    macs: int


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        candidates: all scored networks within the budget, in order of their trials.
        rejected: trials over the budget, never trained.
        failed: trial numbers with the reason of their failure.
    """

    candidates: tuple[Candidate, ...]
    budget_ms: float
    rejected: int
    failed: dict[int, str]

    @property
    def best(self) -> Candidate:
        """The most accurate candidate, the faster one of equals."""
        return self.by_accuracy()[0]

    @property
    def pareto_front(self) -> list[Candidate]:
        """Candidates that no other beats in accuracy and latency at once, fastest first."""
        front: list[Candidate] = []
        for candidate in sorted(self.candidates, key=lambda c: (c.predicted_ms, -c.accuracy)):
            if not front or candidate.accuracy > front[-1].accuracy:
                front.append(candidate)
        return front

    def by_accuracy(self) -> list[Candidate]:
        """Return all candidates, the most accurate first, the faster one of equals before."""
        return sorted(self.candidates, key=lambda c: (-c.accuracy, c.predicted_ms))


def storage_url(storage: str | Path) -> str:
    """Return the Optuna URL of `storage`: itself if it is one, else a database in that folder."""
    text = str(storage)
    if "://" in text:
        return text
    folder = Path(text)
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(folder / 'study.db').resolve()}"


def run_search(
    space: str | Space,
    data: str | Splits,
    table: LatencyTable,
    budget_ms: float,
    *,
    trials: int = 40,
    storage: str | Path,
    workers: int = 1,
    ray_address: str | None = None,
    epochs: int = 5,
    seed: int = 0,
    on_trial: Callable[[int, int, float], None] | None = None,
) -> SearchResult:
    """Search `space` for accurate networks that `table` predicts within `budget_ms`; goes on where it stopped.

    Args:
        data: a name for `zoo.data.load_data`, or the splits themselves.
        trials: candidates to train; those rejected by the table are not counted.
        storage: a folder, or an Optuna storage URL.
        workers: more than one scores in Ray tasks.
        epochs: of the short training of each candidate.
        on_trial: called with (trained, all, best accuracy so far) after each candidate.

    Raises BudgetError where no network of the space meets the budget, SearchError where the storage holds a search
    with other settings, TableError where the table knows nothing of images of the space's sizes. Warns with
    ForeignTableWarning where the table is of another device than this machine.
    """
    space = SPACES.get(space) if isinstance(space, str) else space
    for pixels in space.resolutions:
        table.check_image_size(pixels)
    _warn_of_another_device(table)
    data = load_data(data) if isinstance(data, str) else data
    if budget_ms <= 0 or trials < 1:
        raise SearchError(f"budget_ms must be above 0 and trials at least 1, got {budget_ms:g} and {trials}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=STUDY_NAME,
        storage=storage_url(storage),
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    settings = {
        "space": space.model_dump(mode="json"),
        "data": data.name,
        "budget_ms": budget_ms,
        "epochs": epochs,
        "seed": seed,
        "table": {"created": table.created, "device": table.device.model_dump(mode="json")},
    }
    _claim(study, settings)
    if "seeded" not in study.user_attrs:
        for params in feasible_params(space, table, budget_ms, min(_STARTUP, trials), seed):
            study.enqueue_trial(params, skip_if_exists=True)
        study.set_user_attr("seeded", True)
    config = TrainConfig(epochs=epochs, seed=seed)
    proposer = _Proposer(study, space, table, budget_ms, seed)
    if workers > 1 or ray_address:
        scorer: InProcess | RayWorkers = RayWorkers(data, workers, ray_address)
    else:
        scorer = InProcess(data)
    try:
        while True:
            done = _trained(study)
            tasks = proposer.round(min(_round_size(workers), trials - len(done) - proposer.waiting()))
            if not tasks:
                break
            for score in scorer.scores([ScoreTask(t.number, t.user_attrs["spec"], config) for t in tasks]):
                _tell(study, score)
                if on_trial:
                    done = _trained(study)
                    on_trial(len(done), trials, max((t.values[0] for t in done), default=0.0))
    finally:
        scorer.close()
    return load_result(study, budget_ms)


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


def _round_size(workers: int) -> int:
    # a multiple of the workers, so that few of them wait at its end
    return max(4, 2 * workers)


def _claim(study: optuna.Study, settings: dict[str, Any]) -> None:
    """Write the settings into a new study; raise SearchError where an old one has others."""
    known = study.user_attrs.get("settings")
    if known is None:
        study.set_user_attr("settings", settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls it experimental since 3.2
            study.set_metric_names(["accuracy", "latency_ms"])
        return
    different = [key for key, value in settings.items() if json.dumps(known.get(key)) != json.dumps(value)]
    if different:
        raise SearchError(f"the storage holds a search with another {', '.join(different)}; take another folder")


def _trained(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that took a training, done or failed."""
    states = (TrialState.COMPLETE, TrialState.FAIL)
    return [t for t in study.get_trials(deepcopy=False, states=states) if "same_as" not in t.user_attrs]


class _Proposer:
    """Asks the study for trials until enough of them are worth training."""

    def __init__(self, study: optuna.Study, space: Space, table: LatencyTable, budget_ms: float, seed: int) -> None:
        self._study, self._space, self._table = study, space, table
        self._budget_ms, self._seed = budget_ms, seed

    def waiting(self) -> int:
        """Return how many trials are proposed and not yet scored: those of a round that was cut short."""
        return sum("spec" in t.user_attrs for t in self._running())

    def round(self, new: int) -> list[FrozenTrial]:
        """Return the trials to train next: what a cut-short round left over, else a new round of up to `new`."""
        running = self._running()
        halfway = [t for t in running if "spec" not in t.user_attrs]
        left = [t.number for t in running if "spec" in t.user_attrs]
        # a round is told only after all of it was proposed: one trial told, and it is complete
        if left and self._round_was_told():
            return self._running()
        wanted = new if not left else max(0, min(new, self._study.user_attrs["round_size"] - len(left)))
        if not left and not halfway:
            self._study.set_user_attr("round_size", wanted)
            self._study.set_user_attr("round_start", len(self._study.get_trials(deepcopy=False)))
        rejections = 0
        while wanted > 0 and rejections < _MAX_REJECTIONS:
            trial = self._resume(halfway.pop()) if halfway else self._ask()
            if self._propose(trial):
                wanted, rejections = wanted - 1, 0
            else:
                rejections += 1
        return self._running()

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _round_was_told(self) -> bool:
        start = self._study.user_attrs["round_start"]
        return any(t.number >= start for t in _trained(self._study) if "spec" in t.user_attrs)

    def _seed_sampler(self, number: int) -> None:
        self._study.sampler = TPESampler(seed=self._seed * 1_000_003 + number, n_startup_trials=_STARTUP)

    def _ask(self) -> Trial:
        self._seed_sampler(len(self._study.get_trials(deepcopy=False, states=_ASKED)))
        return self._study.ask()

    def _resume(self, trial: FrozenTrial) -> Trial:
        self._seed_sampler(trial.number)
        return Trial(self._study, trial._trial_id)

    def _propose(self, trial: Trial) -> bool:
        """Complete a trial's choices; return whether it is to be trained, else tell it why not."""
        choices = self._space.parameters()
        params = {name: trial.suggest_categorical(name, values) for name, values in choices.items()}
        try:
            spec = self._space.decode(params)
        except SpecError as error:
            return self._reject(trial, "valid", 1.0, str(error))
        ms = self._table.predict(spec).ms
        trial.set_user_attr("digest", spec.digest)
        trial.set_user_attr("predicted_ms", ms)
        if ms > self._budget_ms:
            return self._reject(trial, "latency", ms / self._budget_ms - 1, f"{ms:.3f} ms is over the budget")
        trial.set_constraint("latency", ms / self._budget_ms - 1)
        twin = self._twin(spec.digest, trial.number)
        if twin is not None:
            trial.set_user_attr("same_as", twin.number)
            if twin.state == TrialState.COMPLETE:
                self._study.tell(trial, twin.values)
            else:
                self._study.tell(trial, state=TrialState.PRUNED)
            return False
        trial.set_user_attr("spec", spec.to_json())
        return True

    def _reject(self, trial: Trial, constraint: str, violation: float, reason: str) -> bool:
        trial.set_constraint(constraint, violation)
        trial.set_user_attr("reason", reason)
        self._study.tell(trial, state=TrialState.PRUNED)
        return False

    def _twin(self, digest: str, number: int) -> FrozenTrial | None:
        trials = self._study.get_trials(deepcopy=False)
        same = (t for t in trials if t.user_attrs.get("digest") == digest and "spec" in t.user_attrs)
        return next((t for t in same if t.number != number), None)


_ASKED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def _tell(study: optuna.Study, score: Score) -> None:
    trial = next(t for t in study.get_trials(deepcopy=False) if t.number == score.trial)
    storage, trial_id = study._storage, trial._trial_id
    attributes = {"params": score.params, "macs": score.macs, "seconds": round(score.seconds, 2)}
    if score.accuracy is None:
        attributes["reason"] = score.failure
    for name, value in attributes.items():
        storage.set_trial_user_attr(trial_id, name, value)
    if score.accuracy is None:
        study.tell(score.trial, state=TrialState.FAIL)
    else:
        study.tell(score.trial, [score.accuracy, trial.user_attrs["predicted_ms"]])


def load_result(study: optuna.Study, budget_ms: float) -> SearchResult:
    """Return what a study holds; raises SearchError where no candidate was trained to the end."""
    trials = study.get_trials(deepcopy=False)
    candidates = tuple(
        Candidate(
            t.number,
            ArchSpec.from_json(t.user_attrs["spec"]),
            t.values[0],
            t.values[1],
            t.user_attrs["params"],
            t.user_attrs["macs"],
        )
        for t in trials
        if t.state == TrialState.COMPLETE and "spec" in t.user_attrs
    )
    failed = {t.number: t.user_attrs.get("reason", "") for t in trials if t.state == TrialState.FAIL}
    if not candidates:
        reasons = "; ".join(sorted(set(failed.values()))) or "none was trained"
        raise SearchError(f"no candidate was trained to the end: {reasons}")
    rejected = sum(t.state == TrialState.PRUNED for t in trials)
    return SearchResult(candidates, budget_ms, rejected, failed)
