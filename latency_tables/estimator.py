"""From measured networks to the latency of one never measured.

Two sums predict it: one over kernels as the runtime's profile told them, one over classes of kernels fitted to whole
networks. Their errors have little to do with each other, so the mean of both, weighted as networks left out show best,
is nearer than either.
"""

from collections.abc import Sequence

from latency_tables.class_sum import ClassSum
from latency_tables.cost import NOTHING, Cost
from latency_tables.kernel_sum import KernelCost, KernelSum
from latency_tables.kernels import Placed, spec_kernels
from latency_tables.observation import Observation
from latency_tables.profiles import share_costs

_FEWEST_PROFILES = 3


class Estimator:
    """Predicts the cost of networks out of observations; made anew from them each time a table is loaded.

    Attributes:
        weight: of the sum over kernels, 0..1; the rest is that of the sum by class. 0 without profiles.
    """

    def __init__(self, observations: Sequence[Observation], weight: float = 0.5) -> None:
        networks = [spec_kernels(o.spec, o.num_classes, o.in_chans) for o in observations]
        self._by_class = ClassSum([o.cost for o in observations], networks)
        shared = zip(share_costs(observations), networks, strict=True)
        profiled = [(share, placed) for share, placed in shared if share and share.kernels]
        self._by_kernel = None
        if len(profiled) >= _FEWEST_PROFILES:
            self._by_kernel = KernelSum([share for share, _ in profiled], [placed for _, placed in profiled])
        self.weight = weight if self._by_kernel else 0.0
        self.constant = self._mean((self._by_kernel or self._by_class).constant, self._by_class.constant)

    @property
    def kernels(self) -> dict[str, KernelCost]:
        """The profiled kernels by key; nothing where the runtime offers no profile."""
        return self._by_kernel.kernels if self._by_kernel else {}

    def part(self, placed: Sequence[Placed]) -> Cost:
        """Return the cost of the kernels of a part; a network is its parts and `constant`."""
        return sum(map(self._mean, *self._both(placed)), NOTHING)

    def cost(self, placed: Sequence[Placed]) -> Cost:
        """Return the cost of a network of these kernels."""
        return self.part(placed) + self.constant

    def both(self, placed: Sequence[Placed]) -> tuple[float, float]:
        """Return the cost of a network by the sum over kernels and by the sum by class."""
        by_kernel, by_class = self._both(placed)
        constant = (self._by_kernel or self._by_class).constant
        return sum(by_kernel, constant).value, sum(by_class, self._by_class.constant).value

    def _both(self, placed: Sequence[Placed]) -> tuple[list[Cost], list[Cost]]:
        by_class = self._by_class.costs(placed)
        return (self._by_kernel.costs(placed) if self._by_kernel else by_class), by_class

    def _mean(self, by_kernel: Cost, by_class: Cost) -> Cost:
        """Return the weighted mean; how far it is known is what the sum over kernels says, where there is one."""
        value = self.weight * by_kernel.value + (1 - self.weight) * by_class.value
        return by_kernel.times(value / by_kernel.value) if by_kernel.value else Cost(value, value, 0.0)
