"""Latency as one sum by class of kernel, fitted to whole networks: all that can be had without a profile."""

from collections.abc import Sequence

from latency_tables.amounts import Sum, amounts, name_of, total
from latency_tables.cost import Cost
from latency_tables.kernels import Kernel, Placed

_DOUBT = 0.05  # relative, of any kernel
_UNKNOWN_DOUBT = 0.5  # of one whose class no measured network had


class ClassSum:
    """Predicts costs from the `costs` of measured networks, whose kernels are `networks`."""

    def __init__(self, costs: Sequence[float], networks: Sequence[Sequence[Placed]]) -> None:
        self._known_ops = {name_of(p.kernel) for placed in networks for p in placed}
        self._sum = Sum([total(amounts(p.kernel) for p in placed) | {"constant": 1.0} for placed in networks], costs)
        constant = self._sum.of({"constant": 1.0})
        self.constant = Cost(constant, constant, 0.0)

    def costs(self, placed: Sequence[Placed]) -> list[Cost]:
        """Return the cost of each kernel; a network is its kernels and `constant`."""
        return [self._kernel(p.kernel) for p in placed]

    def _kernel(self, kernel: Kernel) -> Cost:
        if name_of(kernel) in self._known_ops:
            value = self._sum.of(amounts(kernel))
            return Cost(value, value, _DOUBT * value)
        value = self._sum.of(amounts(Kernel("add", kernel.in_shape, kernel.out_shape)))
        return Cost(value, 0.0, _UNKNOWN_DOUBT * value)
