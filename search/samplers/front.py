"""Our own sampler: exact expected hypervolume improvement over networks whose costs are known."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.trial import FrozenTrial
from scipy.stats import rankdata

from search.acquisition import Acquisition, score_columns
from search.errors import SpaceExhaustedError
from search.hypervolume import domination_counts
from search.samplers import SAMPLERS, SamplerContext
from search.samplers.context import ContextSampler
from search.trial_history import History, Network, read_history

_SMALL_SPACE = 2000  # combinations; all of them are candidates
_LARGE_SPACE = 100_000  # combinations; more are not searched through for a last untried network
_MAX_CHANGES = 3  # of a variation
_PATIENCE = 15  # draws for each candidate wanted, as many may break a constraint
_FEWEST_PARENTS = 5
_ENDS = (0.02, 0.98)  # of the costs, as quantiles
_NEAREST = 16  # networks of like cost, of which one comes first


@SAMPLERS.register("front")
class FrontSampler(ContextSampler):
    """Proposes the network that may be expected to push the front of accuracy against costs out the farthest.

    Costs are known before training, so only the accuracy is guessed, by a Gaussian process on the trials so far, and
    the expected hypervolume improvement is exact. Candidates are random networks and variations of those near the
    front; those over a budget or proposed before are left out, so that no training is spent on either. Networks being
    scored are believed to be as accurate as is guessed. A share of the trials is random: no network is out of reach.

    With `context.features` a first guess picks the candidates whose training-free scores are computed, and a second
    one that knows them picks among these.

    Example::

        context = SamplerContext(space, lambda params: (latency.ms(params),), None, (budget_ms,))
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=FrontSampler(context, seed=0))

    Args:
        startup: trials spread over the costs before the first guess; trials that were enqueued count.
        candidates: drawn for each proposal.
        shortlist: candidates whose features are computed.
        explore: share of random trials.

    Raises SpaceExhaustedError where no network within the constraints is left that was not proposed before; it ends
    `study.optimize`, the trial that it happened in has failed then.
    """

    def __init__(
        self,
        context: SamplerContext,
        seed: int | None = None,
        *,
        startup: int = 6,
        candidates: int = 600,
        shortlist: int = 32,
        explore: float = 0.03,
    ) -> None:
        super().__init__(context, seed)
        self._startup, self._candidates, self._shortlist, self._explore = startup, candidates, shortlist, explore

    def propose(self, study: Study, trial: FrozenTrial, rng: random.Random) -> dict[str, Any]:
        """Return the most promising network; it depends on the seed, the trial's number and the other trials alone."""
        history = read_history(study, trial, self._context)
        drawn = self._draw(history, rng)
        if len(history.scored) + len(history.running) < self._startup or len(history.scored) < 2:
            ranked = self._spread(drawn, history, rng)
        elif rng.random() < self._explore:
            ranked = iter(drawn)
        else:
            ranked = self._promising(drawn, history, rng)
        # where variations and random draws find nothing, the space is searched through
        ranked = itertools.chain(ranked, self._enumerated(_LARGE_SPACE, rng))
        chosen = next(self._untried(ranked, history), None)
        if chosen is None:
            raise SpaceExhaustedError(
                f"space {self._context.space.name!r}: no untried network within the constraints was found beside the "
                f"{len(history.taken)} tried ones: the search is done, or its budget too tight for random networks"
            )
        return chosen.params

    def _draw(self, history: History, rng: random.Random) -> list[Network]:
        """Return networks within the constraints: random ones, then variations of those near the front."""
        space = self._context.space
        choices = space.parameters()
        if space.size <= _SMALL_SPACE:
            return list(self._enumerated(_SMALL_SPACE, rng))
        fresh = ({name: rng.choice(values) for name, values in choices.items()} for _ in itertools.count())
        drawn = self._allowed(fresh, self._candidates // 2)
        return drawn + self._variations(_near_front(history), rng)

    def _enumerated(self, most: int, rng: random.Random) -> Iterator[Network]:
        """Yield all networks within the constraints, in a random order; none where there are more than `most`."""
        choices = self._context.space.parameters()
        if self._context.space.size <= most:
            every = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
            rng.shuffle(every)
            yield from self._allowed(every, len(every))

    def _variations(self, parents: Sequence[Network], rng: random.Random) -> list[Network]:
        """Return networks within the constraints that differ from one of `parents`, or a mixture of two, a little."""
        choices = {name: values for name, values in self._context.space.parameters().items() if len(values) > 1}

        def vary() -> dict[str, Any]:
            child, other = dict(rng.choice(parents).params), rng.choice(parents).params
            if rng.random() < 0.5:
                child = {name: rng.choice((value, other[name])) for name, value in child.items()}
            for name in rng.sample(list(choices), min(len(choices), rng.randint(1, _MAX_CHANGES))):
                child[name] = rng.choice(choices[name])
            return child

        return self._allowed((vary() for _ in itertools.count()), self._candidates // 2) if parents else []

    def _allowed(self, drawn: Iterable[dict[str, Any]], count: int) -> list[Network]:
        """Return up to `count` different networks of `drawn` within the constraints."""
        found: dict[tuple[Any, ...], Network] = {}
        for params in itertools.islice(drawn, _PATIENCE * count):
            key = tuple(params.values())
            if key not in found and (costs := self._context.costs(params)) is not None:
                found[key] = Network(params, costs)
                if len(found) == count:
                    break
        return list(found.values())

    def _untried(self, ranked: Iterable[Network], history: History) -> Iterator[Network]:
        """Yield the networks of `ranked` that were not proposed before, equal ones once."""
        seen = set(history.taken)
        for network in ranked:
            digest = self._context.digest(network.params)
            if digest is not None and digest not in seen:
                seen.add(digest)
                yield network

    def _spread(self, drawn: Sequence[Network], history: History, rng: random.Random) -> Iterator[Network]:
        """Yield networks whose cost is far from the known ones: the cheap end, the dear end, the widest gap between.

        Of the nearest such the one with the best training-free scores, where there are any, comes first.
        """
        if not drawn:
            return iter(drawn)
        known = [*history.scored, *history.running]
        costs = np.array([network.costs[0] if network.costs else 1.0 for network in [*drawn, *known]])
        logs = np.arcsinh(costs / max(np.median(costs), 1e-12))
        here, there = logs[: len(drawn)], np.sort(logs[len(drawn) :])
        targets = np.array([*np.quantile(here, _ENDS), *(there[1:] + there[:-1]) / 2])
        lonely = np.abs(targets[:, None] - there).min(axis=1, initial=np.inf)
        ranked = self._untried(_best(drawn, -np.abs(here - targets[np.argmax(lonely)])), history)
        few = list(itertools.islice(ranked, min(_NEAREST, self._shortlist)))
        rng.shuffle(few)
        if self._context.features and few:
            scores = np.nan_to_num(score_columns(self._context.features, few), nan=-np.inf)
            few = _best(few, rankdata(scores, axis=0).mean(axis=1))
        return itertools.chain(few, ranked)

    def _promising(self, drawn: list[Network], history: History, rng: random.Random) -> Iterator[Network]:
        """Yield candidates, those first that the most hypervolume is expected of."""
        acquisition = Acquisition(self._context, history, with_scores=False)
        values = acquisition.values(drawn)
        # once more around the best of them
        around = self._variations(_best(drawn, values)[: self._shortlist], rng)
        ranked = _best(drawn + around, np.concatenate([values, acquisition.values(around)]))
        untried = self._untried(ranked, history)
        if not self._context.features:
            return untried
        few = list(itertools.islice(untried, self._shortlist))
        return iter(_best(few, Acquisition(self._context, history, with_scores=True).values(few)))


def _best(networks: Sequence[Network], values: np.ndarray) -> list[Network]:
    return [networks[i] for i in np.argsort(-values, kind="stable")]


def _near_front(history: History) -> list[Network]:
    """Return the quarter of the scored networks that the fewest others dominate."""
    if not history.scored:
        return list(history.running)
    ranks = domination_counts(history.accuracies(), history.costs(history.scored))
    return _best(history.scored, -ranks)[: max(_FEWEST_PARENTS, len(history.scored) // 4)]
