"""What kernels do: so many multiply-adds, values moved and weights, by class of kernel."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from latency_tables.kernels import Kernel


class Amount(NamedTuple):
    """What is counted: `kind` of it, in kernels of a class."""

    name: str
    kind: str


Amounts = Mapping[Amount, float]

CACHES = [(2**power, Amount(f"cache of {2**power}", "spilled")) for power in range(15, 24)]
"""Sizes, in weights, some near those of the machine's caches; what of a network does not fit is counted."""

CONSTANT: Amounts = {Amount("network", "constant"): 1.0}
"""What a network costs by itself."""


def total(rows: Iterable[Amounts]) -> dict[Amount, float]:
    """Return the sum of some amounts."""
    added: dict[Amount, float] = defaultdict(float)
    for row in rows:
        for amount, value in row.items():
            added[amount] += value
    return dict(added)


def class_of(kernel: Kernel) -> str:
    """Return the class of a kernel: kernels of one class share coefficients."""
    if not kernel.has_weights:
        return kernel.op
    in_chans, out_chans = kernel.in_shape[0], kernel.out_shape[0]
    if kernel.groups > 1 and out_chans <= 4 * in_chans:
        return "depthwise" if kernel.groups == in_chans else "grouped"
    if kernel.out_shape[1:] == (1, 1):  # so are grouped ones whose many outputs are the weights of another
        return "vector"
    return "pointwise" if kernel.sides == (1, 1) else "dense"


def amounts(kernel: Kernel) -> dict[Amount, float]:
    """Return what a kernel does."""
    name, written = class_of(kernel), kernel.out_elements / 1e4
    done = {Amount(name, "count"): 1.0, Amount(name, "written"): written}
    if kernel.act not in ("none", "relu"):
        done |= {Amount(kernel.act, "count"): 1.0, Amount(kernel.act, "written"): written}
    if kernel.weights:
        done[Amount(name, "read")] = kernel.in_elements / 1e4
        done[Amount(name, "macs")] = kernel.macs / 1e6
        done[Amount(name, "weights")] = kernel.weights / 1e5
    return done


def spilled(weights: float) -> dict[Amount, float]:
    """Return how many of a network's `weights` do not fit into a cache, for caches of several sizes.

    What does not fit is read anew in each run from a slower one.
    """
    return {amount: (weights - size) / 1e5 for size, amount in CACHES if weights > size}
