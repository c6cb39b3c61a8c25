"""What scoring a network may be expected to be worth: the hypervolume that it adds to the front."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from search.hypervolume import expected_improvement, staircase
from search.predictor import fit_predictor
from search.samplers.context import SamplerContext
from search.spaces.base import Params
from search.trial_history import History, Network

_MAX_STEPS = 100_000  # of the staircase; reached with three costs and a front of 46 networks
_BEYOND = 1.1  # where a cost has no upper end: times the highest known


class Acquisition:
    """The expected hypervolume improvement of candidates, given the scored networks of a history.

    Networks that are being scored count as if their accuracy were what is guessed of them (Kriging believer,
    Ginsbourger et al. 2010). Hypervolume counts from the lowest accuracy.

    Args:
        with_scores: guess with `context.features`, too.
    """

    def __init__(self, context: SamplerContext, history: History, *, with_scores: bool) -> None:
        self._features = context.features if with_scores else None
        self._objectives, parameters = history.objectives, context.space.parameters()
        known, accuracies = history.scored, history.accuracies()
        self._predictor = fit_predictor(parameters, known, accuracies, self._scores(known))
        if history.running:
            believed, _ = self._predictor.predict(history.running, self._scores(history.running))
            known, accuracies = known + history.running, np.concatenate([accuracies, believed])
            self._predictor = fit_predictor(parameters, known, accuracies, self._scores(known))
        costs = history.costs(known)
        highest = costs.max(axis=0) * _BEYOND
        ends = [
            end if np.isfinite(end) else high
            for end, high in zip(context.reference[: self._objectives], highest, strict=True)
        ]
        self._stairs = staircase(accuracies, costs, reference=ends, floor=accuracies.min(), max_steps=_MAX_STEPS)

    def values(self, candidates: Sequence[Network]) -> np.ndarray:
        """Return the expected improvement (m,) of each candidate."""
        if not candidates:
            return np.empty(0)
        mean, std = self._predictor.predict(candidates, self._scores(candidates))
        costs = np.array([network.costs[: self._objectives] for network in candidates])
        return expected_improvement(self._stairs, mean, std, costs)

    def _scores(self, networks: Sequence[Network]) -> np.ndarray | None:
        return score_columns(self._features, networks) if self._features else None


def score_columns(features: Callable[[Params], Mapping[str, float]], networks: Sequence[Network]) -> np.ndarray:
    """Return the training-free scores (n, s) of networks, columns in the order of their names; nan for one left out."""
    found = [features(network.params) for network in networks]
    names = sorted(set().union(*found))
    return np.array([[scores.get(name, np.nan) for name in names] for scores in found], dtype=float)
