"""What a sampler knows besides the trials: the space, and what its networks cost before any is trained."""

import random
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from search.errors import SearchError
from search.spaces import SearchSpace
from search.spaces.base import Params
from zoo import SpecError


@dataclass(frozen=True)
class SamplerContext:
    """What is known of a space's networks for nothing, or nearly so.

    Attributes:
        space: every trial is one value for each of its `parameters()`, by Optuna's `suggest_categorical`.
        costs: the objectives that the study minimises, in order; what follows them is no objective, only a hint for
            guessing the accuracy (multiply-adds, say). None where the choices make no network or break a hard
            constraint. It is asked for thousands of candidates and should take well below a millisecond each.
        features: training-free scores of a network, larger for better ones, 0.1 to 1 s each. It is asked for a few
            dozen candidates a trial and again for every trial there is, so it should remember.
        reference: upper ends of `costs`, such as the budget; infinite where there is none.
    """

    space: SearchSpace
    costs: Callable[[Params], tuple[float, ...] | None]
    features: Callable[[Params], Mapping[str, float]] | None
    reference: tuple[float, ...]
    _digests: dict[tuple[Any, ...], str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def digest(self, params: Params) -> str | None:
        """Return the digest of the network of `params`, None where they make none; remembered, as decoding is slow."""
        key = tuple(sorted(params.items()))
        if key not in self._digests:
            try:
                self._digests[key] = self.space.decode(params).digest
            except SpecError:
                self._digests[key] = None
        return self._digests[key]


class ContextSampler(BaseSampler):
    """An Optuna sampler that proposes whole networks of a context's space.

    What it proposes depends on the seed, the number of the trial and the trials there are, and on nothing else: a
    search that is taken up again goes on as if it had never stopped. Parameters that the space does not have are drawn
    at random.
    """

    def __init__(self, context: SamplerContext, seed: int | None = None) -> None:
        self._context = context
        self._seed = random.randrange(2**31) if seed is None else seed
        self._independent = RandomSampler(seed=self._seed % 2**32)

    @abstractmethod
    def propose(self, study: Study, trial: FrozenTrial, rng: random.Random) -> dict[str, Any]:
        """Return one value for each parameter of the space."""

    def reseed_rng(self) -> None:
        """Go on with a seed of the operating system's."""
        self._seed = random.SystemRandom().randrange(2**31)
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all parameters of the space as categories."""
        return {name: CategoricalDistribution(values) for name, values in self._context.space.parameters().items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the proposal; raises SearchError where the study's directions are not those of the context."""
        first, *others = study.directions
        if (
            first != StudyDirection.MAXIMIZE
            or set(others) - {StudyDirection.MINIMIZE}
            or len(others) > len(self._context.reference)
        ):
            raise SearchError(
                f"{type(self).__name__} wants the accuracy maximised first, then up to "
                f"{len(self._context.reference)} costs minimised, those of its reference; the study's directions are "
                f"{', '.join(d.name.lower() for d in study.directions)}"
            )
        return self.propose(study, trial, random.Random(self._seed * 1_000_003 + trial.number))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value for a parameter that the space does not have."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)
