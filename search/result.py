"""What a search found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState

from search.errors import SearchError
from zoo import ArchSpec


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
    budget_ms = next(iter(study.user_attrs["settings"]["budgets_ms"].values()))
    return SearchResult(candidates, budget_ms, len(pruned) - stopped, failed, stopped)


def _candidate(trial: FrozenTrial) -> Candidate:
    known = trial.user_attrs
    return Candidate(
        trial.number,
        ArchSpec.from_json(known["spec"]),
        known["accuracy"],
        known["predicted_ms"],
        known["params"],
        known["macs"],
        known["costs"],
        tuple(known.get("curve", ())),
    )
