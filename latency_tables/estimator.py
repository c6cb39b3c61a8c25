"""From measured networks to the latency of one never measured.

A network's cost is a sum over its kernels: by class of kernel so much for each, for each multiply-add, value read,
value written and weight; where the runtime offers a profile, also the profiled cost of its convolutions; plus a
constant. The coefficients are fitted to whole measured networks and are never negative, so that a larger network is
never cheaper. Convolutions that no measured network had are estimated from those that had them: by a sum of the same
kind, times what a forest over their shapes knows of the sum's error.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import ExtraTreesRegressor

from latency_tables.kernels import Kernel, Placed, spec_kernels
from latency_tables.observation import Observation

LEARNED = ("conv", "linear")  # kernels that have weights
_TREES = 32


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a network, in units of the reference network, and how much of it was measured.

    Attributes:
        coverage: share of the convolutions' cost that stands on measured kernels.
    """

    value: float
    coverage: float


class Estimator:
    """Predicts the cost of networks out of observations; made anew from them each time a table is loaded."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        kernels = [spec_kernels(o.spec, o.num_classes, o.in_chans) for o in observations]
        self._measured = _mean_costs(observations)
        self._profile = _fit_profile(self._measured, kernels)
        self._guessed: dict[str, float] = {}
        self._sum = _Sum([self._features(placed)[0] for placed in kernels], [o.cost for o in observations])

    def cost(self, placed: tuple[Placed, ...]) -> Cost:
        """Return the cost of a network of these kernels."""
        features, coverage = self._features(placed)
        return Cost(self._sum.of(features), coverage)

    def kernel_costs(self, kernels: Iterable[Kernel]) -> dict[str, tuple[float, bool]]:
        """Return the profiled cost of convolutions by key, and whether it was measured; the others are estimated."""
        wanted = {kernel.key: kernel for kernel in kernels}
        unknown = {key: k for key, k in wanted.items() if key not in self._measured and key not in self._guessed}
        if unknown and self._profile is not None:
            self._guessed |= dict(zip(unknown, self._profile.costs(list(unknown.values())), strict=True))
        known = self._guessed | self._measured
        return {key: (known.get(key, 0.0), key in self._measured) for key in wanted}

    def _features(self, placed: tuple[Placed, ...]) -> tuple[dict[str, float], float]:
        features: dict[str, float] = defaultdict(float)
        features["constant"] = 1.0
        costs = self.kernel_costs(p.kernel for p in placed if p.kernel.op in LEARNED)
        known = 0.0
        for kernel in (p.kernel for p in placed):
            _count(features, kernel)
            if kernel.op in LEARNED:
                cost, measured = costs[kernel.key]
                features["profiled"] += cost
                known += cost if measured else 0.0
        return features, known / features["profiled"] if features["profiled"] else 0.0


class _Sum:
    """Non-negative coefficients whose sum over features is nearest to `targets`, relative errors squared."""

    def __init__(self, rows: Sequence[Mapping[str, float]], targets: Sequence[float]) -> None:
        self._names = sorted({name for row in rows for name in row})
        matrix, target = self._matrix(rows), np.array(targets)
        self._coefficients = nnls(matrix / target[:, None], np.ones(len(target)))[0]

    def _matrix(self, rows: Sequence[Mapping[str, float]]) -> np.ndarray:
        return np.array([[row.get(name, 0.0) for name in self._names] for row in rows])

    def of(self, row: Mapping[str, float]) -> float:
        """Return the sum for one row of features."""
        return float((self._matrix([row]) @ self._coefficients)[0])


class _Profile:
    """Estimates the profiled cost of single kernels from their shapes."""

    def __init__(self, kernels: Sequence[Kernel], costs: Sequence[float]) -> None:
        rows = [_kernel_row(kernel) for kernel in kernels]
        self._sum = _Sum(rows, costs)
        error = [math.log(cost / self._base(kernel)) for kernel, cost in zip(kernels, costs, strict=True)]
        self._forest = ExtraTreesRegressor(_TREES, min_samples_leaf=2, random_state=0)
        self._forest.fit([_shape_features(kernel) for kernel in kernels], error)

    def _base(self, kernel: Kernel) -> float:
        return max(self._sum.of(_kernel_row(kernel)), 1e-6)

    def costs(self, kernels: Sequence[Kernel]) -> list[float]:
        """Return the estimated cost of each kernel."""
        errors = np.exp(self._forest.predict([_shape_features(kernel) for kernel in kernels]))
        return [self._base(kernel) * float(error) for kernel, error in zip(kernels, errors, strict=True)]


def _kernel_row(kernel: Kernel) -> dict[str, float]:
    row: dict[str, float] = defaultdict(float)
    _count(row, kernel)
    return row


def _count(features: dict[str, float], kernel: Kernel) -> None:
    """Add what `kernel` does to the sums by class that a network's cost is linear in."""
    amounts = {"count": 1.0, "written": kernel.out_elements / 1e4}
    if kernel.op not in LEARNED:
        name = kernel.op
    else:
        name = _class_of(kernel)
        amounts |= {"read": kernel.in_elements / 1e4, "macs": kernel.macs / 1e6, "weights": kernel.weights / 1e5}
        if kernel.act not in ("none", "relu"):
            features[f"{kernel.act} count"] += 1
            features[f"{kernel.act} written"] += kernel.out_elements / 1e4
    for what, amount in amounts.items():
        features[f"{name} {what}"] += amount


def _class_of(kernel: Kernel) -> str:
    if kernel.out_shape[1:] == (1, 1):
        return "vector"
    if kernel.groups > 1:
        return "depthwise" if kernel.groups == kernel.in_shape[0] else "grouped"
    return "pointwise" if kernel.sides == (1, 1) else "dense"


def _mean_costs(observations: Iterable[Observation]) -> dict[str, float]:
    costs: dict[str, list[float]] = defaultdict(list)
    for observation in observations:
        for key, cost in observation.kernels.items():
            costs[key].append(cost)
    return {key: float(np.median(values)) for key, values in costs.items()}


def _fit_profile(measured: Mapping[str, float], networks: Iterable[tuple[Placed, ...]]) -> _Profile | None:
    """Return the estimator of kernels that were not measured; None where the runtime offers no profile."""
    by_key = {p.kernel.key: p.kernel for placed in networks for p in placed if p.kernel.key in measured}
    if not by_key:
        return None
    return _Profile(list(by_key.values()), [max(measured[key], 1e-6) for key in by_key])


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
