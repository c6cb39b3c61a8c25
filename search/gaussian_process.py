"""A Gaussian process over groups of features, small enough to be fitted anew for each proposal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

_JITTER = 1e-6
_TYPICAL_NOISE, _TYPICAL_SHARE = 0.05, 0.4  # of the variance of the values
_SPREAD = 1.0  # of the logarithms of all parameters around what is typical
_MAX_STEPS = 40


@dataclass(frozen=True)
class GaussianProcess:
    """A function of groups of features, known at some points with noise; `fit_gaussian_process` makes it.

    Its kernel is a sum over the groups, so that what one group says is learned without the others:
    s exp(-d / l) with the Manhattan distance d, which counts choices that differ, and w x·y for what is linear.

    Attributes:
        groups: features (n, width) of the known points.
        log_parameters: log of s, l, w of each group, then of the noise variance.
    """

    groups: tuple[np.ndarray, ...]
    log_parameters: np.ndarray
    offset: float
    scale: float
    weights: np.ndarray
    factor: np.ndarray

    def predict(self, groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (m,) and standard deviation (m,), without the noise, at the points of `groups`."""
        pairs = _Pairs.between(groups, self.groups)
        shared = pairs.kernel(self.log_parameters)
        explained = np.sum(solve_triangular(self.factor, shared.T, lower=True) ** 2, axis=0)
        prior = 0.0
        for (s, _, w), features in zip(_by_group(self.log_parameters), groups, strict=True):
            prior = prior + s + w * np.mean(features**2, axis=1)
        std = np.sqrt(np.maximum(prior - explained, _JITTER))
        return self.offset + self.scale * (shared @ self.weights), self.scale * std


def fit_gaussian_process(groups: Sequence[np.ndarray], values: np.ndarray) -> GaussianProcess:
    """Return the process through `values` (n,) at points with features (n, width) in each group.

    Its parameters are those of the highest posterior (Rasmussen and Williams 2006, eq. 5.8 and 5.9 with a normal prior
    on their logarithms): with few points they stay near what is typical.
    """
    offset, scale = float(np.mean(values)), float(np.std(values)) or 1.0
    targets, pairs = (values - offset) / scale, _Pairs.between(groups, groups)
    typical = pairs.typical()

    def loss(log_parameters: np.ndarray) -> tuple[float, np.ndarray]:
        factor = _factor(pairs.kernel(log_parameters), log_parameters)
        weights = cho_solve((factor, True), targets)
        inverse = cho_solve((factor, True), np.eye(len(targets)))
        away = (log_parameters - typical) / _SPREAD
        value = 0.5 * targets @ weights + np.sum(np.log(np.diag(factor))) + 0.5 * away @ away
        slope = inverse - np.outer(weights, weights)
        slopes = [np.sum(slope * part) for part in pairs.slopes(log_parameters)]
        slopes.append(np.trace(slope) * np.exp(log_parameters[-1]))
        return value, 0.5 * np.array(slopes) + away / _SPREAD

    bounds = [(middle - 5, middle + 5) for middle in typical]
    found = minimize(loss, typical, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _MAX_STEPS})
    factor = _factor(pairs.kernel(found.x), found.x)
    return GaussianProcess(tuple(groups), found.x, offset, scale, cho_solve((factor, True), targets), factor)


@dataclass(frozen=True)
class _Pairs:
    """Distances and products of all pairs of two sets of points, for each group."""

    distances: list[np.ndarray]
    products: list[np.ndarray]

    @classmethod
    def between(cls, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> "_Pairs":
        both = list(zip(first, second, strict=True))
        return cls([cdist(x, y, "cityblock") for x, y in both], [x @ y.T / x.shape[1] for x, y in both])

    def typical(self) -> np.ndarray:
        logs = []
        for distances in self.distances:
            apart = distances[distances > 0]
            logs += [np.log(_TYPICAL_SHARE), np.log(np.median(apart)) if len(apart) else 0.0, np.log(_TYPICAL_SHARE)]
        return np.array([*logs, np.log(_TYPICAL_NOISE)])

    def kernel(self, log_parameters: np.ndarray) -> np.ndarray:
        parts = zip(_by_group(log_parameters), self.distances, self.products, strict=True)
        return sum(s * np.exp(-distances / l) + w * products for (s, l, w), distances, products in parts)

    def slopes(self, log_parameters: np.ndarray) -> list[np.ndarray]:
        """Return what the kernel changes by with each of its parameters' logarithms."""
        slopes = []
        for (s, l, w), distances, products in zip(
            _by_group(log_parameters), self.distances, self.products, strict=True
        ):
            near = s * np.exp(-distances / l)
            slopes += [near, near * distances / l, w * products]
        return slopes


def _by_group(log_parameters: np.ndarray) -> np.ndarray:
    return np.exp(log_parameters[:-1]).reshape(-1, 3)


def _factor(kernel: np.ndarray, log_parameters: np.ndarray) -> np.ndarray:
    noise = np.exp(log_parameters[-1]) + _JITTER
    return cholesky(kernel + noise * np.eye(len(kernel)), lower=True)
