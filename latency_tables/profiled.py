"""The cost of single kernels as the runtime's profile told it, and an estimate of those that no network had.

The estimate is a sum by class of kernel, so much for each, for each multiply-add, value read, value written and
weight, times what a forest over the shapes knows of that sum's error; channels filled up to the runtime's blocks are
among the shapes, so the staircase is learned.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from latency_tables.amounts import amounts
from latency_tables.kernels import Kernel, Placed
from latency_tables.profiles import Shares
from latency_tables.sums import Sum

FEWEST_KERNELS = 8  # of which something is to be learned
_TREES = 48
_LEAST = 1e-6  # cost of a kernel


class KernelCost(NamedTuple):
    """Cost of one kernel in the networks that had it: median, lowest and highest, and in how many."""

    median: float
    low: float
    high: float
    networks: int


class Profiled:
    """The profiled cost of kernels, out of the shares of measured networks whose kernels are `networks`.

    Attributes:
        kernels: the profiled ones by key.
    """

    def __init__(self, shares: Sequence[Shares | None], networks: Sequence[Sequence[Placed]]) -> None:
        self._found: dict[str, dict[int, float]] = defaultdict(dict)
        for number, share in enumerate(shares):
            for key, cost in (share.kernels if share else {}).items():
                self._found[key][number] = cost
        self.kernels = {
            key: KernelCost(float(np.median([*v.values()])), min(v.values()), max(v.values()), len(v))
            for key, v in self._found.items()
        }
        by_key = {p.kernel.key: p.kernel for placed in networks for p in placed if p.kernel.key in self.kernels}
        self._estimated: dict[str, float] = {}
        if self:
            self._fit(list(by_key.values()))

    def __bool__(self) -> bool:
        return len(self.kernels) >= FEWEST_KERNELS

    def costs(self, kernels: Iterable[Kernel]) -> dict[str, float]:
        """Return the cost of each kernel by its key."""
        asked = {k.key: k for k in kernels if k.has_weights}
        unknown = [k for key, k in asked.items() if key not in self.kernels and key not in self._estimated]
        if unknown:
            error = self._forest.predict([_shape_features(kernel) for kernel in unknown])
            self._estimated |= self._estimates(unknown, error)
        return {key: self.kernels[key].median if key in self.kernels else self._estimated[key] for key in asked}

    def costs_elsewhere(self, number: int, kernels: Iterable[Kernel]) -> dict[str, float]:
        """Return the cost of each kernel by its key, as if network `number` had not been profiled."""
        costs = self.costs(kernels)
        for key in costs:
            if number in self._found.get(key, {}):
                others = [cost for other, cost in self._found[key].items() if other != number]
                costs[key] = float(np.median(others)) if others else self._left_out[key]
        return costs

    def _fit(self, kernels: Sequence[Kernel]) -> None:
        costs = [max(self.kernels[kernel.key].median, _LEAST) for kernel in kernels]
        self._sum = Sum([amounts(kernel) for kernel in kernels], costs)
        error = [math.log(cost / self._base(kernel)) for kernel, cost in zip(kernels, costs, strict=True)]
        self._forest = ExtraTreesRegressor(_TREES, min_samples_leaf=2, bootstrap=True, oob_score=True, random_state=0)
        self._forest.fit([_shape_features(kernel) for kernel in kernels], error)
        self._left_out = self._estimates(kernels, self._forest.oob_prediction_)

    def _base(self, kernel: Kernel) -> float:
        return max(self._sum.of(amounts(kernel)), _LEAST)

    def _estimates(self, kernels: Sequence[Kernel], error: np.ndarray) -> dict[str, float]:
        return {k.key: self._base(k) * math.exp(e) for k, e in zip(kernels, error, strict=True)}


def _shape_features(kernel: Kernel) -> list[float]:
    in_chans, out_chans = kernel.in_shape[0], kernel.out_shape[0]
    pixels = kernel.out_shape[1] * kernel.out_shape[2]
    blocks = math.ceil(in_chans / kernel.groups / 8) * math.ceil(out_chans / kernel.groups / 8) * kernel.groups
    logs = (kernel.macs, kernel.in_elements, kernel.out_elements, kernel.weights, in_chans, out_chans, pixels, blocks)
    return [
        *(math.log(value + 1) for value in logs),
        math.sqrt(kernel.sides[0] * kernel.sides[1]),
        kernel.stride,
        math.log(kernel.groups),
        float(kernel.groups == in_chans > 1),
        # runtimes work on channels in blocks: what does not fill one is slower
        in_chans % 4,
        out_chans % 8,
        out_chans % 16,
        float(kernel.act not in ("none", "relu")),
    ]
