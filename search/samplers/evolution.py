"""Regularized evolution (arXiv:1802.01548) for several objectives."""

import random
from typing import Any

import numpy as np
from optuna import Study
from optuna.trial import FrozenTrial

from search.hypervolume import domination_counts
from search.samplers import SAMPLERS, SamplerContext
from search.samplers.context import ContextSampler
from search.spaces import SpaceError
from search.spaces.base import Params
from search.trial_history import read_history

_MAX_DRAWS = 100


@SAMPLERS.register("evolution")
class AgingEvolutionSampler(ContextSampler):
    """Mutates the best of a few networks out of the latest ones: the oldest leaves, not the worst.

    Of several objectives the best is the one that the fewest of the latest networks dominate. Networks that the
    context's costs forbid are never proposed, unless none else is found.

    Args:
        population: the latest networks, and how many random ones come first. The paper's 100 are for thousands of
            trials.
        tournament: how many of them are drawn, the best of which is mutated.
    """

    def __init__(
        self, context: SamplerContext, seed: int | None = None, *, population: int = 20, tournament: int = 5
    ) -> None:
        super().__init__(context, seed)
        self._population, self._tournament = population, tournament

    def propose(self, study: Study, trial: FrozenTrial, rng: random.Random) -> dict[str, Any]:
        """Return a mutated network, random ones until the population is full."""
        history = read_history(study, trial, self._context)
        latest = history.scored[-self._population :]
        parent = None
        if len(latest) == self._population:
            accuracies = np.array([network.accuracy for network in latest])
            ranks = domination_counts(accuracies, history.costs(latest))
            drawn = rng.sample(range(len(latest)), min(self._tournament, len(latest)))
            parent = latest[min(drawn, key=lambda index: ranks[index])].params
        for _ in range(_MAX_DRAWS):
            child = self._draw(parent, rng)
            if self._context.costs(child) is not None and self._context.digest(child) not in history.taken:
                return child
        return self._draw(parent, rng)

    def _draw(self, parent: Params | None, rng: random.Random) -> dict[str, Any]:
        space = self._context.space
        try:
            return space.mutate(parent, rng) if parent else space.sample_params(rng)
        except SpaceError:  # nothing but the parent around it
            return space.sample_params(rng)
