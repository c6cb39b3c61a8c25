"""One whole network as measured in a runtime: what tables are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from zoo import ArchSpec
from zoo.block_spec import MAX_CHANS

_MOST = 1e9  # milliseconds, or times the reference network
Measured = Annotated[float, Field(ge=1e-9, le=_MOST)]
Share = Annotated[float, Field(ge=0, le=_MOST)]
Chans = Annotated[int, Field(ge=1, le=MAX_CHANS)]
Classes = Annotated[int, Field(ge=0, le=1_000_000)]
_Count = Annotated[int, Field(ge=0, le=10**12)]


class Profile(BaseModel):
    """A network's time by parts, in milliseconds as the runtime's profiler counts them, its own overhead included.

    Attributes:
        ms: latency of the whole network just before and after, without the profiler.
        kernels: of each convolution and linear layer by its key, averaged where it occurs twice.
        rest: of everything else together.
        nodes: how many nodes the runtime executed.
        executed: how the runtime executed each kernel, layout and implementation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ms: Measured
    kernels: dict[str, Share]
    rest: Share
    nodes: _Count
    executed: dict[str, str]

    @model_validator(mode="after")
    def _same_kernels(self) -> "Profile":
        if set(self.kernels) != set(self.executed):
            raise ValueError("kernels and executed must name the same kernels")
        return self


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

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    spec: ArchSpec
    in_chans: Chans
    num_classes: Classes
    ms: Measured
    reference_ms: Measured
    cost: Measured
    low: Measured
    high: Measured
    samples: _Count
    rejected: _Count
    drawn: bool
    profile: Profile | None
