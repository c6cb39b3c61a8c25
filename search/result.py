"""What a search found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict, ValidationError

from search.errors import SearchError
from search.storage import storage_errors
from zoo import ArchSpec, SpecError
from zoo.spec import one_line


@dataclass(frozen=True)
class Candidate:
    """A scored network.

    Attributes:
        accuracy: on the validation images after the short training, 0..1.
        predicted_ms: by the latency table, the first of several.
        costs: every cost that the search reckoned with, by name.
        curve: accuracy after each epoch.
    """

    trial: int
    spec: ArchSpec
    accuracy: float
    predicted_ms: float
    params: int
    macs: int
    costs: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[float, ...] = ()


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        candidates: all networks within the budget that were scored to the end, in order of their trials.
        rejected: trials over a budget, never trained.
        failed: trial numbers with the reason of their failure.
        stopped: trials whose training was stopped early.
    """

    candidates: tuple[Candidate, ...]
    budget_ms: float
    rejected: int
    failed: dict[int, str]
    stopped: int = 0

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


def is_scored(trial: FrozenTrial) -> bool:
    """Return whether a trial was or is worth a scoring: not cut by a budget, no twin of another."""
    return "spec" in trial.user_attrs


def is_over(trial: FrozenTrial) -> bool:
    """Return whether the scoring of a trial is over, done or failed, though it may not be told yet."""
    return "seconds" in trial.user_attrs


@storage_errors()
def load_result(study: optuna.Study) -> SearchResult:
    """Return what a study holds; raises SearchError where no candidate was scored to the end."""
    trials = study.get_trials(deepcopy=False)
    candidates = tuple(_candidate(t) for t in trials if t.state == TrialState.COMPLETE and is_scored(t))
    failed = {t.number: t.user_attrs.get("reason", "") for t in trials if t.state == TrialState.FAIL}
    if not candidates:
        reasons = "; ".join(sorted(set(failed.values()))) or "none was trained"
        raise SearchError(f"no candidate was trained to the end: {reasons}")
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    stopped = sum(map(is_scored, pruned))
    try:
        budget_ms = float(next(iter(study.user_attrs["settings"]["budgets_ms"].values())))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, StopIteration):
        raise SearchError("the study does not say within which budget it searched") from None
    return SearchResult(candidates, budget_ms, len(pruned) - stopped, failed, stopped)


def figure(trial: FrozenTrial, name: str) -> float:
    """Return a figure among the attributes of a trial, 0 where it has none; raises SearchError for anything else."""
    try:
        return float(trial.user_attrs.get(name, 0.0))
    except (TypeError, ValueError, OverflowError):
        raise SearchError(f"trial {trial.number} of the study cannot be read: its {name} is no number") from None


class _Attributes(BaseModel):
    """What a trial that was scored to the end has among its attributes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    spec: str
    accuracy: float
    predicted_ms: float
    params: int
    macs: int
    costs: dict[str, float]
    curve: tuple[float, ...] = ()


def _candidate(trial: FrozenTrial) -> Candidate:
    try:
        known = _Attributes.model_validate(trial.user_attrs)
        spec = ArchSpec.from_json(known.spec)
    except (ValidationError, SpecError) as error:
        reason = one_line(error) if isinstance(error, ValidationError) else error
        raise SearchError(f"trial {trial.number} of the study cannot be read: {reason}") from None
    return Candidate(
        trial.number, spec, known.accuracy, known.predicted_ms, known.params, known.macs, known.costs, known.curve
    )
