"""Several training-free scores as one."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from search.errors import SearchError

# Each sees another side: features, gradients, size, images told apart, all paths together. Of the four scores of
# AZ-NAS progressivity is left out: the least over blocks, it is the noisiest, and with the last two it adds nothing.
COMBINED = ("az_expressivity", "az_trainability", "macs", "jacov", "synflow")


def combine(scores: Mapping[str, Sequence[float]], names: Sequence[str] = COMBINED) -> np.ndarray:
    """Return one score for each of m networks: the sum of log(rank / m) over `names`, at most 0, the best highest.

    The non-linear rank aggregation of AZ-NAS (arXiv:2403.19232): a network that is poor in one score
    cannot make up for it in another. nan ranks lowest; equal values share the mean of their ranks.
    Raises SearchError for a name that is not in `scores` or columns of different lengths.
    """
    missing = [name for name in names if name not in scores]
    if missing:
        raise SearchError(f"no scores called {', '.join(missing)}; there are {', '.join(scores)}")
    columns = [np.nan_to_num(np.asarray(scores[name], dtype=float), nan=-np.inf, posinf=np.inf) for name in names]
    if len({len(column) for column in columns}) > 1:
        raise SearchError(f"scores of different numbers of networks: {', '.join(names)}")
    return np.sum([np.log(rankdata(column) / len(column)) for column in columns], axis=0)
