"""From measured networks to the latency of one never measured.

A network costs what its kernels do, summed by class of kernel; to what they do belongs what the runtime's profile told
of them in other networks, where it told any. The coefficients are fitted to whole networks, so that what a profiler
gets wrong for a class of kernels is made good. The network itself adds what it costs to be called and what its weights
cost because no cache holds them all.
"""

from collections.abc import Iterable, Mapping, Sequence

from latency_tables.amounts import CACHES, CONSTANT, Amount, amounts, class_of, spilled, total
from latency_tables.cost import Cost
from latency_tables.kernels import Kernel, Placed, spec_kernels
from latency_tables.observation import Observation
from latency_tables.profiled import KernelCost, Profiled
from latency_tables.profiles import share_costs
from latency_tables.sums import Sum


class Estimator:
    """Predicts the cost of networks out of observations; made anew from them each time a table is loaded."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        networks = [spec_kernels(o.spec, o.num_classes, o.in_chans) for o in observations]
        self._profiled = Profiled(share_costs(observations), networks)
        self._classes = {class_of(p.kernel) for placed in networks for p in placed}
        rows = []
        for number, placed in enumerate(networks):
            kernels = [p.kernel for p in placed]
            # a network's own profile adds up to its cost: it would be believed too much
            costs = self._profiled.costs_elsewhere(number, kernels) if self._profiled else {}
            rows.append(total((*_rows(kernels, costs), CONSTANT, spilled(_weights(kernels)))))
        self._sum = Sum(rows, [o.cost for o in observations])
        self._constant = self._sum.of(CONSTANT)
        self._spilled = [(size, self._sum.of({amount: 1e-5})) for size, amount in CACHES]

    @property
    def kernels(self) -> dict[str, KernelCost]:
        """The profiled kernels by key; nothing where the runtime offers no profile."""
        return self._profiled.kernels

    def part(self, placed: Sequence[Placed]) -> Cost:
        """Return the cost of the kernels of a part."""
        kernels = [p.kernel for p in placed]
        # a class never met costs by what it does alone: an estimated profile would count it twice
        met = [k for k in kernels if class_of(k) in self._classes]
        rows = _rows(kernels, self._profiled.costs(met) if self._profiled else {})
        values = list(map(self._sum.of, rows))
        known = sum(value for value, kernel in zip(values, kernels, strict=True) if self._knows(kernel))
        return Cost(sum(values), known, _weights(kernels), total(rows))

    def beside_parts(self, weights: int) -> float:
        """Return what a network that reads so many weights costs besides its parts."""
        return self._constant + sum(cost * (weights - size) for size, cost in self._spilled if weights > size)

    def whole(self, parts: Iterable[Cost]) -> Cost:
        """Return the cost of a network of these parts."""
        values, known, weights, amounts = zip(*parts, strict=True)
        count, beside = sum(weights), self.beside_parts(sum(weights))
        return Cost(sum(values) + beside, sum(known) + beside, count, total((*amounts, CONSTANT, spilled(count))))

    def cost(self, placed: Sequence[Placed]) -> Cost:
        """Return the cost of a network of these kernels."""
        return self.whole([self.part(placed)])

    def deviation(self, cost: Cost) -> float:
        """Return the relative standard deviation of a network's cost, by what is known of the coefficients."""
        return self._sum.deviation(cost.amounts) / cost.value

    def _knows(self, kernel: Kernel) -> bool:
        if self._profiled and kernel.has_weights:
            return kernel.key in self._profiled.kernels
        return class_of(kernel) in self._classes


def _rows(kernels: Iterable[Kernel], costs: Mapping[str, float]) -> list[dict[Amount, float]]:
    """Return what each kernel does, and its profiled cost where `costs` has one."""
    return [amounts(k) | ({Amount(class_of(k), "profiled"): costs[k.key]} if k.key in costs else {}) for k in kernels]


def _weights(kernels: Iterable[Kernel]) -> int:
    return sum(kernel.weights for kernel in kernels if kernel.has_weights)
