"""One whole network measured in a runtime, its time shared out among its kernels."""

import statistics
from collections import defaultdict

from pydantic import BaseModel, ConfigDict

from latency_tables.kernels import Kernel, Placed, spec_kernels
from latency_tables.measurement import Timer, time_sessions
from latency_tables.runtimes import NodeTime, Runtime, Session
from zoo import ArchSpec

_CONVOLUTIONS = ("Conv", "FusedConv", "QLinearConv", "Gemm", "QGemm", "Convolution", "FullyConnected")
_PROFILE_RUNS = 15


class Observation(BaseModel):
    """A network as measured: its latency, and what the runtime's profile says of its parts.

    Attributes:
        ms: median latency of the network, `reference_ms` that of the reference network in the same moments.
        cost: median ratio of the two, sample by sample; drift of the machine leaves it alone.
        kernels: profiled cost of each convolution and linear layer by its key, averaged where it occurs twice.
        rest: profiled cost of everything else.
        nodes: how many nodes the runtime executed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: ArchSpec
    in_chans: int
    num_classes: int
    ms: float
    reference_ms: float
    cost: float
    kernels: dict[str, float]
    rest: float
    nodes: int


def observe(
    spec: ArchSpec,
    *,
    backend: Runtime,
    reference: Session,
    dtype: str,
    threads: int,
    in_chans: int,
    num_classes: int,
    max_seconds: float,
) -> Observation:
    """Build `spec`, run it in turns with `reference`, and profile it."""
    network = spec.deployed().build(num_classes, in_chans, seed=0)
    shape = (1, in_chans, spec.resolution, spec.resolution)
    session = backend.prepare(network, shape, dtype=dtype, threads=threads)
    mine, theirs = time_sessions([session, reference], max_seconds=max_seconds)
    pairs = [(m.ms, t.ms) for m, t in zip(mine, theirs, strict=True) if not (m.disturbed or t.disturbed)]
    pairs = pairs or [(m.ms, t.ms) for m, t in zip(mine, theirs, strict=True)]
    pace = Timer(reference, sample_seconds=0.0)
    nodes = session.profile(_PROFILE_RUNS, lambda: pace.sample().ms) or []
    kernels, rest = share_out(nodes, spec_kernels(spec, num_classes, in_chans))
    return Observation(
        spec=spec,
        in_chans=in_chans,
        num_classes=num_classes,
        ms=statistics.median(m for m, _ in pairs),
        reference_ms=statistics.median(t for _, t in pairs),
        cost=statistics.median(m / t for m, t in pairs),
        kernels=kernels,
        rest=rest,
        nodes=len(nodes),
    )


def share_out(nodes: list[NodeTime], placed: tuple[Placed, ...]) -> tuple[dict[str, float], float]:
    """Return the cost of each convolution by kernel key, and the cost of all other nodes together.

    A node is matched to the convolution of its module, or, where the runtime named it after the activation it
    fused, to the one next to it whose weights have the node's shape.
    """
    waiting = {p.module: p.kernel for p in placed if p.kernel.op in ("conv", "linear")}
    times: dict[str, list[float]] = defaultdict(list)
    rest = 0.0
    for node in nodes:
        kernel = _matching(node, waiting) if node.op in _CONVOLUTIONS else None
        if kernel is None:
            rest += node.cost
        else:
            times[kernel.key].append(node.cost)
    return {key: sum(values) / len(values) for key, values in times.items()}, rest


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
