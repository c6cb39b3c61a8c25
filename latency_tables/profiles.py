"""The runtime's own account of where a network's time went: matched to kernels, freed of the profiler's own time."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import siegelslopes

from latency_tables.kernels import Kernel, Placed, spec_kernels
from latency_tables.observation import Observation, Profile
from latency_tables.runtimes import NodeTime

# what runtimes call the nodes that have weights
_WITH_WEIGHTS = {
    *("Conv", "FusedConv", "QLinearConv", "Gemm", "QGemm"),  # onnxruntime
    *("Convolution", "FullyConnected"),  # openvino
    *("Deconvolution", "Fully Connected"),  # executorch
    *("conv2d", "linear"),  # torch
}
_LEAST = 0.05  # of a node's profiled time stays when the profiler's own is taken off


class Shares(NamedTuple):
    """The cost of a network by parts that add up to it, in units of the reference network.

    Attributes:
        kernels: of each convolution and linear layer by its key.
        rest: of everything else together.
    """

    kernels: dict[str, float]
    rest: float


def share_costs(observations: Sequence[Observation]) -> list[Shares | None]:
    """Return the shares of each network; None for one without a profile."""
    counted = [_count(o) for o in observations]
    overhead = _profiler_overhead([counts for counts in counted if counts])
    shares: list[Shares | None] = []
    for observation, counts in zip(observations, counted, strict=True):
        if counts is None:
            shares.append(None)
            continue
        own = {key: max(ms - overhead, _LEAST * ms) for key, ms in counts.profile.kernels.items()}
        rest = max(counts.profile.rest - (counts.profile.nodes - counts.total) * overhead, _LEAST * counts.profile.rest)
        scale = observation.cost / (rest + sum(number * own[key] for key, number in counts.numbers.items()))
        shares.append(Shares({key: ms * scale for key, ms in own.items()}, rest * scale))
    return shares


class _Counts(NamedTuple):
    profile: Profile
    numbers: dict[str, int]  # how often the network has each kernel

    @property
    def total(self) -> int:
        return sum(self.numbers.values())

    @property
    def ms(self) -> float:
        return self.profile.rest + sum(n * self.profile.kernels[key] for key, n in self.numbers.items())


def _count(observation: Observation) -> _Counts | None:
    profile = observation.profile
    if profile is None:
        return None
    numbers: dict[str, int] = defaultdict(int)
    for placed in spec_kernels(observation.spec, observation.num_classes, observation.in_chans):
        if placed.kernel.has_weights and placed.kernel.key in profile.kernels:
            numbers[placed.kernel.key] += 1
    if numbers.keys() != profile.kernels.keys():  # by a version of edgezoo that told kernels apart otherwise
        return None
    return _Counts(profile, dict(numbers))


def _profiler_overhead(networks: Sequence[_Counts]) -> float:
    """Return the milliseconds that the profiler adds to each node.

    The profile of a network over its latency grows with its nodes per millisecond; the slope, by the repeated medians
    of Siegel 1982, is the overhead.
    """
    if len(networks) < 3:
        return 0.0
    nodes = [counts.profile.nodes / counts.profile.ms for counts in networks]
    profiled = [counts.ms / counts.profile.ms for counts in networks]
    return max(0.0, float(siegelslopes(profiled, nodes).slope)) if len(set(nodes)) > 1 else 0.0


class _Node(NamedTuple):
    ms: float
    executed: str


def share_out(nodes: Sequence[NodeTime], placed: Sequence[Placed], ms: float) -> Profile:
    """Return what each convolution of the network `placed` took, and all other nodes together.

    `ms` is the latency of the network without the profiler in the same moments.

    A node is matched to the convolution of its module, or, where the runtime named it after the activation it
    fused, to the one next to it whose weights have the node's shape.
    """
    waiting = {p.module: p.kernel for p in placed if p.kernel.has_weights}
    shares: dict[str, list[_Node]] = defaultdict(list)
    rest = 0.0
    for node in nodes:
        kernel = _matching(node, waiting) if node.op in _WITH_WEIGHTS else None
        if kernel is None:
            rest += node.ms
        else:
            shares[kernel.key].append(_Node(node.ms, node.executed))
    return Profile(
        ms=ms,
        kernels={key: sum(s.ms for s in found) / len(found) for key, found in shares.items()},
        rest=rest,
        nodes=len(nodes),
        executed={key: found[0].executed for key, found in shares.items()},
    )


def _matching(node: NodeTime, waiting: dict[str, Kernel]) -> Kernel | None:
    if node.module in waiting:
        return waiting.pop(node.module)
    parent = node.module.rpartition(".")[0]
    if len(node.inputs) < 2 or len(node.inputs[1]) != 4:
        return None
    out_chans, group_chans, *sides = node.inputs[1]
    for module, kernel in waiting.items():
        # the runtime may have padded the channels to its block of 8 or 16
        fits = 0 <= out_chans - kernel.out_shape[0] < 16 and 0 <= group_chans - kernel.in_shape[0] // kernel.groups < 16
        if module.rpartition(".")[0] == parent and tuple(sides) == kernel.sides and fits:
            return waiting.pop(module)
    return None
