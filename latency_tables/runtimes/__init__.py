"""What executes networks. A new runtime is one file here with `@RUNTIMES.register(name)`, importing it lazily."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import nn

from latency_tables.errors import RuntimeUnavailableError
from zoo.registry import Registry

InputShape = tuple[int, int, int, int]


@dataclass(frozen=True)
class NodeTime:
    """One node as the runtime executed it.

    Attributes:
        module: path of the module that it comes from, "" where the runtime made it up (layout changes).
        inputs, outputs: shapes as the runtime has them, in its own layout.
        cost: mean over the runs of its milliseconds divided by the pace of that moment.
    """

    op: str
    module: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    cost: float


class Session(Protocol):
    """A network ready to run in a runtime."""

    def run(self) -> None:
        """Run the network once on its example."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return class scores (N, classes) of images (N, C, H, W) float32."""
        ...

    def profile(self, runs: int, pace: Callable[[], float]) -> list[NodeTime] | None:
        """Return the runtime's own cost of each node over `runs` runs, in order; None where it offers no profile.

        `pace` is called beside every run: milliseconds that the reference network takes just then.
        """


class Runtime(Protocol):
    """A way to execute networks.

    Attributes:
        dtypes: number formats it can run.
        install: the command that installs what it needs.
    """

    dtypes: tuple[str, ...]
    install: str

    def version(self) -> str | None:
        """Return the installed version, None where the runtime is missing."""

    def prepare(
        self,
        module: nn.Module,
        input_shape: InputShape,
        *,
        dtype: str,
        threads: int,
        calibration: Sequence[np.ndarray] | None = None,
    ) -> Session:
        """Return `module` ready to run; `calibration` batches give int8 its ranges, random ones by default."""
        ...

    def load(self, path: str, *, threads: int) -> Session:
        """Return a model file ready to run."""
        ...

    def settings(self) -> dict[str, str]:
        """Return what was chosen for the runtime, for the fingerprint."""
        ...


RUNTIMES: Registry[Runtime] = Registry("runtime", "latency_tables.runtimes", "see edgezoo latency runtimes")


def get_runtime(name: str, dtype: str = "fp32") -> Runtime:
    """Return an installed runtime that knows `dtype`; the error says what to install or which dtypes there are."""
    runtime = RUNTIMES.get(name)
    if runtime.version() is None:
        raise RuntimeUnavailableError(f"runtime {name!r} is not installed; {runtime.install}")
    if dtype not in runtime.dtypes:
        raise RuntimeUnavailableError(f"runtime {name!r} has no dtype {dtype!r}; it has {', '.join(runtime.dtypes)}")
    return runtime
