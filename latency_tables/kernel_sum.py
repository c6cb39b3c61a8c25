"""Latency as the sum of a network's kernels, each as the runtime's profile told it in other networks.

Convolutions cost the median over the networks that had the same one, or an estimate where none had. The estimate is a
sum by class of kernel, so much for each, for each multiply-add, value read, value written and weight, times what a
forest over the shapes knows of that sum's error; channels filled up to the runtime's blocks are among the shapes, so
the staircase is learned. Everything else is a sum by class of operation, fitted to what the measured networks spent on
it. No coefficient is negative: a larger network is never cheaper.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from latency_tables.amounts import Sum, amounts, beside, name_of, total
from latency_tables.cost import Cost
from latency_tables.kernels import Kernel, Placed
from latency_tables.profiles import Shares

_TREES = 48
_UNKNOWN_DOUBT = 0.5  # relative, of an operation that no measured network had


class KernelCost(NamedTuple):
    """Cost of one kernel in the networks that had it: median, lowest and highest, and in how many."""

    median: float
    low: float
    high: float
    networks: int


def kernel_costs(shares: Iterable[Shares]) -> dict[str, KernelCost]:
    """Return the cost of every profiled kernel by its key."""
    costs: dict[str, list[float]] = defaultdict(list)
    for share in shares:
        for key, cost in share.kernels.items():
            costs[key].append(cost)
    return {key: KernelCost(float(np.median(v)), min(v), max(v), len(v)) for key, v in costs.items()}


class KernelSum:
    """Predicts costs from the shares of measured networks, whose kernels are `networks`."""

    def __init__(self, shares: Sequence[Shares], networks: Sequence[Sequence[Placed]]) -> None:
        self.kernels = kernel_costs(shares)
        by_key = {p.kernel.key: p.kernel for placed in networks for p in placed if p.kernel.key in self.kernels}
        self._shapes = _Shapes(list(by_key.values()), [self.kernels[key].median for key in by_key])
        self._known_ops = {name_of(p.kernel) for placed in networks for p in placed}
        self._estimated: dict[str, tuple[float, float]] = {}
        rows = [total(_beside_only(p.kernel) for p in placed) | {"constant": 1.0} for placed in networks]
        self._rest = Sum(rows, [max(share.rest, 1e-6) for share in shares])
        constant = self._rest.of({"constant": 1.0})
        self.constant = Cost(constant, constant, 0.0)

    def costs(self, placed: Sequence[Placed]) -> list[Cost]:
        """Return the cost of each kernel; a network is its kernels and `constant`."""
        self._estimate(p.kernel for p in placed if p.kernel.has_weights)
        return [self._kernel(p.kernel) for p in placed]

    def _kernel(self, kernel: Kernel) -> Cost:
        rest = self._rest.of(_beside_only(kernel))
        if kernel.key in self.kernels:
            value = self.kernels[kernel.key].median + rest
            return Cost(value, value, 0.0)
        if kernel.has_weights:
            value, doubt = self._estimated[kernel.key]
            return Cost(value + rest, rest, doubt)
        if name_of(kernel) in self._known_ops:
            return Cost(rest, rest, 0.0)
        unlike = self._rest.of(amounts(Kernel("add", kernel.in_shape, kernel.out_shape)))
        return Cost(unlike, 0.0, _UNKNOWN_DOUBT * unlike)

    def _estimate(self, kernels: Iterable[Kernel]) -> None:
        unknown = {k.key: k for k in kernels if k.key not in self.kernels and k.key not in self._estimated}
        if unknown:
            self._estimated |= dict(zip(unknown, self._shapes.costs(list(unknown.values())), strict=True))


def _beside_only(kernel: Kernel) -> dict[str, float]:
    """Return what a runtime does beside a profiled kernel, or all that another operation does."""
    return beside(kernel) if kernel.has_weights else amounts(kernel)


class _Shapes:
    """Estimates the cost of single kernels from their shapes."""

    def __init__(self, kernels: Sequence[Kernel], costs: Sequence[float]) -> None:
        self._classes = Counter(map(name_of, kernels))
        self._sum = Sum([amounts(kernel) for kernel in kernels], costs)
        error = [math.log(cost / self._base(kernel)) for kernel, cost in zip(kernels, costs, strict=True)]
        self._forest = ExtraTreesRegressor(_TREES, min_samples_leaf=2, random_state=0)
        self._forest.fit([_shape_features(kernel) for kernel in kernels], error)

    def _base(self, kernel: Kernel) -> float:
        name, row = name_of(kernel), amounts(kernel)
        if name not in self._classes:  # as if it were one of the commonest class
            (common, _), *_ = self._classes.most_common(1)
            row = {feature.replace(name, common): amount for feature, amount in row.items()}
        return max(self._sum.of(row), 1e-6)

    def costs(self, kernels: Sequence[Kernel]) -> list[tuple[float, float]]:
        """Return the estimated cost of each kernel, and its doubt: how far the trees of the forest disagree."""
        features = np.array([_shape_features(kernel) for kernel in kernels], dtype=np.float32)
        trees = np.array([tree.predict(features) for tree in self._forest.estimators_])
        values = [self._base(k) * math.exp(error) for k, error in zip(kernels, trees.mean(axis=0), strict=True)]
        unlike = [0.0 if name_of(kernel) in self._classes else _UNKNOWN_DOUBT for kernel in kernels]
        return [(v, v * (float(s) + more)) for v, s, more in zip(values, trees.std(axis=0), unlike, strict=True)]


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
