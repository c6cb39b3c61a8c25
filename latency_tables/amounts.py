"""What kernels do, by class, and sums that are fitted to it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.optimize import nnls

from latency_tables.kernels import Kernel


class Sum:
    """Non-negative coefficients whose sum over features is nearest to `targets`, relative errors squared."""

    def __init__(self, rows: Sequence[Mapping[str, float]], targets: Sequence[float]) -> None:
        names = sorted({name for row in rows for name in row})
        matrix, target = np.array([[row.get(name, 0.0) for name in names] for row in rows]), np.array(targets)
        self._coefficients = dict(zip(names, nnls(matrix / target[:, None], np.ones(len(target)))[0], strict=True))

    def of(self, row: Mapping[str, float]) -> float:
        """Return the sum for one row of features; unknown ones count nothing."""
        return float(sum(self._coefficients.get(name, 0.0) * amount for name, amount in row.items()))


def total(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of some rows of features."""
    added: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, amount in row.items():
            added[name] += amount
    return dict(added)


def name_of(kernel: Kernel) -> str:
    """Return the class of a kernel: kernels of one class share coefficients."""
    if not kernel.has_weights:
        return kernel.op
    if kernel.out_shape[1:] == (1, 1):
        return "vector"
    if kernel.groups > 1:
        return "depthwise" if kernel.groups == kernel.in_shape[0] else "grouped"
    return "pointwise" if kernel.sides == (1, 1) else "dense"


def amounts(kernel: Kernel) -> dict[str, float]:
    """Return what a kernel does, by class."""
    name, done = name_of(kernel), beside(kernel)
    if kernel.has_weights:
        done[f"{name} read"] = kernel.in_elements / 1e4
        done[f"{name} macs"] = kernel.macs / 1e6
        done[f"{name} weights"] = kernel.weights / 1e5
    return done


def beside(kernel: Kernel) -> dict[str, float]:
    """Return what a runtime may do beside a convolution: call it, reorder its output, apply its activation."""
    name, written = name_of(kernel), kernel.out_elements / 1e4
    amounts = {f"{name} count": 1.0, f"{name} written": written}
    if kernel.act not in ("none", "relu"):
        amounts |= {f"{kernel.act} count": 1.0, f"{kernel.act} written": written}
    return amounts
