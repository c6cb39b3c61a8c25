"""Training-free scores for a sampler: each network of a space is scored once."""

from collections.abc import Callable, Mapping, Sequence

from search.scores.training_free import training_free_scores
from search.spaces import SearchSpace
from search.spaces.base import Params
from zoo.data import Splits

_BATCH = 32  # half of what a single network is scored with: dozens are for each trial


def remembered_scores(
    space: SearchSpace, data: Splits, names: Sequence[str], *, seed: int = 0
) -> Callable[[Params], Mapping[str, float]]:
    """Return a function from choices of `space` to the scores `names` of their network."""
    known: dict[str, Mapping[str, float]] = {}

    def scores(params: Params) -> Mapping[str, float]:
        spec = space.decode(params)
        if spec.digest not in known:
            known[spec.digest] = training_free_scores(spec, data, names=names, batch_size=_BATCH, seed=seed)
        return known[spec.digest]

    return scores
