"""Sums over amounts, their coefficients fitted to what was measured."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from latency_tables.amounts import Amount, Amounts, total

_POOLED = {"count": "count", "read": "moved", "written": "moved", "macs": "macs", "weights": "weights"}
_NOISE = 0.01  # relative error of a measured network: the smaller, the less the prior is believed
_FAR = 0.1  # relative error from which on a target counts less than by its square
_ROUNDS = 8
_PROFILED = 0.3  # how far the cost that a profile tells may be off, for a whole class
_SPILLED = 3.0  # times the cost of a weight that fits
_LEAST = 0.02  # of what would explain everything by itself: no coefficient is held to be nothing


class Sum:
    """Non-negative coefficients whose sum over amounts is nearest to `targets`, in relative error.

    Each coefficient is drawn towards the one that all classes share, as by a normal prior of that mean and deviation
    (ridge regression): what few rows tell of a class is believed little, and a class never seen costs as the others
    do. Errors count by Huber's loss (Huber 1964): some odd rows do not bend the rest. No coefficient is negative:
    doing more never costs less.
    """

    def __init__(self, rows: Sequence[Amounts], targets: Sequence[float]) -> None:
        target = np.array(targets)
        self._shared = _fit_shared(rows, target)
        self._profiled = {name for row in rows for name, kind in row if kind == "profiled"}
        self._index = {amount: i for i, amount in enumerate(sorted({amount for row in rows for amount in row}))}
        expected, spread = np.array([self._prior(amount) for amount in self._index]).T
        matrix = _matrix(rows, self._index) / target[:, None]
        self._coefficients, weight = _fit(matrix, expected, spread)
        precision = (matrix * (weight / _NOISE**2)[:, None]).T @ matrix + np.diag(1 / spread**2)
        self._covariance = np.linalg.inv(precision)

    def of(self, row: Amounts) -> float:
        """Return the sum for some amounts."""
        return sum(self.coefficient(amount) * value for amount, value in row.items())

    def coefficient(self, amount: Amount) -> float:
        """Return what one of an amount costs."""
        index = self._index.get(amount)
        return self._prior(amount)[0] if index is None else float(self._coefficients[index])

    def deviation(self, row: Amounts) -> float:
        """Return the standard deviation of the sum for some amounts: of the prior, less what the rows told."""
        known, unknown = np.zeros(len(self._index)), 0.0
        for amount, value in row.items():
            if amount in self._index:
                known[self._index[amount]] = value
            else:
                unknown += (self._prior(amount)[1] * value) ** 2
        return float(np.sqrt(max(0.0, known @ self._covariance @ known) + unknown))

    def _prior(self, amount: Amount) -> tuple[float, float]:
        """Return what a coefficient is expected to be, and how far off."""
        if amount.kind == "profiled":
            return 1.0, _PROFILED
        if amount.kind == "spilled":
            return 0.0, _SPILLED * self._shared["weights"]
        shared = self._shared[_POOLED.get(amount.kind, amount.kind)]
        return (0.0 if amount.name in self._profiled else shared), shared


def _fit_shared(rows: Sequence[Amounts], target: np.ndarray) -> dict[str, float]:
    """Return the coefficient of each kind of amount for kernels of all classes."""
    kinds = [*dict.fromkeys(_POOLED.values()), "constant"]
    index = {Amount("", kind): i for i, kind in enumerate(kinds)}
    pooled = [total({Amount("", _POOLED.get(a.kind, a.kind)): value} for a, value in row.items()) for row in rows]
    matrix = _matrix(pooled, index) / target[:, None]
    alone = matrix.sum(axis=0) / np.maximum(np.square(matrix).sum(axis=0), 1e-12)
    coefficients, _ = _fit(matrix)
    return dict(zip(kinds, np.maximum(coefficients, _LEAST * alone + 1e-9), strict=True))


def _matrix(rows: Sequence[Amounts], index: dict[Amount, int]) -> np.ndarray:
    matrix = np.zeros((len(rows), len(index)))
    for i, row in enumerate(rows):
        for amount, value in row.items():
            if amount in index:
                matrix[i, index[amount]] = value
    return matrix


def _fit(matrix: np.ndarray, *prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients whose sums are nearest to 1, given mean and deviation of a `prior`; each row's weight."""
    weight, coefficients = np.ones(len(matrix)), np.zeros(matrix.shape[1])
    expected, spread = prior or (coefficients, np.full(len(coefficients), np.inf))
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)
        full = np.vstack([matrix * root[:, None], np.diag(_NOISE / spread)])
        coefficients, _ = nnls(full, np.concatenate([root, _NOISE * expected / spread]))
        weight = np.minimum(1, _FAR / np.maximum(np.abs(matrix @ coefficients - 1), 1e-9))
    return coefficients, weight
