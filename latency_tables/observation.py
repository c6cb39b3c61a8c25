"""One whole network as measured in a runtime: what tables are made of."""

from pydantic import BaseModel, ConfigDict

from zoo import ArchSpec


class Profile(BaseModel):
    """A network's time by parts, in milliseconds as the runtime's profiler counts them, its own overhead included.

    Attributes:
        ms: latency of the whole network just before and after, without the profiler.
        kernels: of each convolution and linear layer by its key, averaged where it occurs twice.
        rest: of everything else together.
        nodes: how many nodes the runtime executed.
        executed: how the runtime executed each kernel, layout and implementation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ms: float
    kernels: dict[str, float]
    rest: float
    nodes: int
    executed: dict[str, str]


class Observation(BaseModel):
    """A network as measured.

    Attributes:
        ms: median latency; `reference_ms` that of the reference network in the same moments.
        cost: median ratio of the two, sample by sample; drift of the machine leaves it alone.
        low, high: 95 % confidence interval of the cost.
        samples: timed batches behind it; `rejected` were left out because other load disturbed them.
        drawn: at random, and so a fair test of predictions; others were chosen for the kernels in them.
        profile: None where the runtime offers none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: ArchSpec
    in_chans: int
    num_classes: int
    ms: float
    reference_ms: float
    cost: float
    low: float
    high: float
    samples: int
    rejected: int
    drawn: bool
    profile: Profile | None
