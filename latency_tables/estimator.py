"""From measured networks to the latency of one never measured.

Where the runtime offers a profile, the measured cost of each network is shared out to its kernels: the profiler's own
time for each node is taken off, and what remains adds up to the network. A new network is then the sum of

- its convolutions: the median over the networks that had the same one, or an estimate where none had. The estimate is
  a sum by class of kernel, so much for each, for each multiply-add, value read, value written and weight, times what a
  forest over the shapes knows of that sum's error; channels filled up to the runtime's blocks are among the shapes, so
  the staircase is learned;
- everything else: a sum by class of operation, fitted to what the measured networks spent on it.

Without a profile one sum by class is fitted to whole networks. No coefficient is negative: a larger network is never
cheaper.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import ExtraTreesRegressor

from latency_tables.kernels import Kernel, Placed, spec_kernels
from latency_tables.observation import Observation
from latency_tables.profiles import Shares, share_costs

_TREES = 48
_UNKNOWN_DOUBT = 0.5  # relative, of an operation that no measured network had
_SUM_DOUBT = 0.05  # relative, of a kernel estimated without a profile


class Cost(NamedTuple):
    """Estimated cost of a network or a part of one, in units of the reference network; costs of parts add up.

    Attributes:
        known: what of `value` stands on kernels that were measured.
        doubt: how far the estimated kernels may be off, added up.
    """

    value: float
    known: float
    doubt: float

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        return Cost(self.value + other.value, self.known + other.known, self.doubt + other.doubt)


class Estimator:
    """Predicts the cost of networks out of observations; made anew from them each time a table is loaded."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        networks = [spec_kernels(o.spec, o.num_classes, o.in_chans) for o in observations]
        shares = share_costs(observations)
        self.kernels = kernel_costs(shares)
        self._known_ops = {_name_of(p.kernel) for placed in networks for p in placed}
        self._estimated: dict[str, tuple[float, float]] = {}
        self._shapes: _Shapes | None = None
        if self.kernels:
            by_key = {p.kernel.key: p.kernel for placed in networks for p in placed if p.kernel.key in self.kernels}
            self._shapes = _Shapes(list(by_key.values()), [self.kernels[key].median for key in by_key])
        rows = [_total(self._row(p.kernel) for p in placed) | {"constant": 1.0} for placed in networks]
        targets = [
            o.cost if share is None else max(share.rest, 1e-3 * o.cost)
            for o, share in zip(observations, shares, strict=True)
        ]
        self._sum = _Sum(rows, targets)
        self.constant = Cost(self._sum.of({"constant": 1.0}), self._sum.of({"constant": 1.0}), 0.0)

    def part(self, placed: Iterable[Placed]) -> Cost:
        """Return the cost of the kernels of a part; a network is its parts and `constant`."""
        kernels = [p.kernel for p in placed]
        self._estimate(k for k in kernels if k.has_weights)
        return sum((self._kernel(kernel) for kernel in kernels), Cost(0.0, 0.0, 0.0))

    def cost(self, placed: Iterable[Placed]) -> Cost:
        """Return the cost of a network of these kernels."""
        return self.part(placed) + self.constant

    def _kernel(self, kernel: Kernel) -> Cost:
        beside = self._sum.of(self._row(kernel))
        if not kernel.has_weights or self._shapes is None:
            if _name_of(kernel) in self._known_ops:
                return Cost(beside, beside, 0.0 if self._shapes else _SUM_DOUBT * beside)
            beside = self._sum.of(self._row(Kernel("add", kernel.in_shape, kernel.out_shape)))
            return Cost(beside, 0.0, _UNKNOWN_DOUBT * beside)
        if kernel.key in self.kernels:
            value = self.kernels[kernel.key].median + beside
            return Cost(value, value, 0.0)
        value, doubt = self._estimated[kernel.key]
        return Cost(value + beside, beside, doubt)

    def _estimate(self, kernels: Iterable[Kernel]) -> None:
        unknown = {k.key: k for k in kernels if k.key not in self.kernels and k.key not in self._estimated}
        if unknown and self._shapes is not None:
            self._estimated |= dict(zip(unknown, self._shapes.costs(list(unknown.values())), strict=True))

    def _row(self, kernel: Kernel) -> dict[str, float]:
        """Return what the sum is linear in; a profiled kernel only adds what the runtime does beside it."""
        if self._shapes is None or not kernel.has_weights:
            return _amounts(kernel)
        return _beside(kernel)


class KernelCost(NamedTuple):
    """Cost of one kernel in the networks that had it: median, lowest and highest, and in how many."""

    median: float
    low: float
    high: float
    networks: int


def kernel_costs(shares: Iterable[Shares | None]) -> dict[str, KernelCost]:
    """Return the cost of every profiled kernel by its key."""
    costs: dict[str, list[float]] = defaultdict(list)
    for share in shares:
        for key, cost in share.kernels.items() if share else ():
            costs[key].append(cost)
    return {key: KernelCost(float(np.median(v)), min(v), max(v), len(v)) for key, v in costs.items()}


class _Sum:
    """Non-negative coefficients whose sum over features is nearest to `targets`, relative errors squared."""

    def __init__(self, rows: Sequence[Mapping[str, float]], targets: Sequence[float]) -> None:
        names = sorted({name for row in rows for name in row})
        matrix, target = np.array([[row.get(name, 0.0) for name in names] for row in rows]), np.array(targets)
        self._coefficients = dict(zip(names, nnls(matrix / target[:, None], np.ones(len(target)))[0], strict=True))

    def of(self, row: Mapping[str, float]) -> float:
        """Return the sum for one row of features; unknown ones count nothing."""
        return float(sum(self._coefficients.get(name, 0.0) * amount for name, amount in row.items()))


class _Shapes:
    """Estimates the cost of single kernels from their shapes."""

    def __init__(self, kernels: Sequence[Kernel], costs: Sequence[float]) -> None:
        self._sum = _Sum([_amounts(kernel) for kernel in kernels], costs)
        error = [math.log(cost / self._base(kernel)) for kernel, cost in zip(kernels, costs, strict=True)]
        self._forest = ExtraTreesRegressor(_TREES, min_samples_leaf=2, random_state=0)
        self._forest.fit([_shape_features(kernel) for kernel in kernels], error)

    def _base(self, kernel: Kernel) -> float:
        return max(self._sum.of(_amounts(kernel)), 1e-6)

    def costs(self, kernels: Sequence[Kernel]) -> list[tuple[float, float]]:
        """Return the estimated cost of each kernel and how far the trees of the forest disagree about it."""
        features = np.array([_shape_features(kernel) for kernel in kernels], dtype=np.float32)
        trees = np.array([tree.predict(features) for tree in self._forest.estimators_])
        values = [self._base(k) * math.exp(error) for k, error in zip(kernels, trees.mean(axis=0), strict=True)]
        return [(value, value * float(spread)) for value, spread in zip(values, trees.std(axis=0), strict=True)]


def _total(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, amount in row.items():
            total[name] += amount
    return dict(total)


def _name_of(kernel: Kernel) -> str:
    """Return the class of a kernel: kernels of one class share coefficients."""
    if not kernel.has_weights:
        return kernel.op
    if kernel.out_shape[1:] == (1, 1):
        return "vector"
    if kernel.groups > 1:
        return "depthwise" if kernel.groups == kernel.in_shape[0] else "grouped"
    return "pointwise" if kernel.sides == (1, 1) else "dense"


def _amounts(kernel: Kernel) -> dict[str, float]:
    """Return what a kernel does, by class."""
    name, amounts = _name_of(kernel), _beside(kernel)
    if kernel.has_weights:
        amounts[f"{name} read"] = kernel.in_elements / 1e4
        amounts[f"{name} macs"] = kernel.macs / 1e6
        amounts[f"{name} weights"] = kernel.weights / 1e5
    return amounts


def _beside(kernel: Kernel) -> dict[str, float]:
    """Return what a runtime may do beside a convolution: call it, reorder its output, apply its activation."""
    name, written = _name_of(kernel), kernel.out_elements / 1e4
    amounts = {f"{name} count": 1.0, f"{name} written": written}
    if kernel.act not in ("none", "relu"):
        amounts |= {f"{kernel.act} count": 1.0, f"{kernel.act} written": written}
    return amounts


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
