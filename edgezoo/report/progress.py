"""How a search came on, candidate by candidate."""

from typing import NamedTuple

from search import Candidate, SearchResult


class Progress(NamedTuple):
    """Where a search stood after one candidate.

    Attributes:
        accuracy: of this candidate, `best` the best so far, 0..1.
        hypervolume: share of the rectangle of all accuracies and all latencies within the budget that what was found
            so far reaches, 0..1.
    """

    trial: int
    accuracy: float
    best: float
    hypervolume: float


def progress_of(result: SearchResult) -> list[Progress]:
    """Return where the search stood after each candidate, in order of the trials."""
    steps, found = list[Progress](), list[Candidate]()
    for candidate in result.candidates:
        found = SearchResult((*found, candidate), result.budget_ms, 0, {}).pareto_front
        steps.append(
            Progress(candidate.trial, candidate.accuracy, found[-1].accuracy, _hypervolume(found, result.budget_ms))
        )
    return steps


def _hypervolume(front: list[Candidate], budget_ms: float) -> float:
    """Return the area below the steps of a front, fastest first, from its first candidate to the budget."""
    area, end = 0.0, budget_ms
    for candidate in reversed(front):
        if candidate.predicted_ms < end:
            area += candidate.accuracy * (end - candidate.predicted_ms)
            end = candidate.predicted_ms
    return area / budget_ms
