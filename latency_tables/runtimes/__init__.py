"""What executes networks. A new runtime is one file here with `@RUNTIMES.register(name)`, importing it lazily.

A runtime works in two places. `export` runs where PyTorch and the network are, and writes model files. `load` runs
where the time is measured, in a process of its own and perhaps on another machine, which has Python, numpy and
the runtime, and of this project only the files here and the measuring loop: so nothing here imports PyTorch, pydantic
or the zoo at the top of a file, and `load` and sessions import nothing but the runtime.
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from latency_tables.errors import RuntimeUnavailableError
from zoo.registry import Registry

if TYPE_CHECKING:
    from torch import nn

InputShape = tuple[int, int, int, int]

_RANDOM_CALIBRATION_IMAGES = 4


@dataclass(frozen=True)
class NodeTime:
    """One node as the runtime executed it.

    Attributes:
        op: the runtime's name of the operation.
        executed: how it was executed, layout and implementation as far as the runtime tells (`Conv nchwc`).
        module: path of the module that it comes from, "" where the runtime made it up (layout changes).
        inputs, outputs: shapes as the runtime has them, in its own layout; () where it does not tell.
        ms: typical milliseconds of one run, with what the profiler itself takes.
    """

    op: str
    executed: str
    module: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    ms: float


class Session(Protocol):
    """A network ready to run in a runtime, with an example image of random values."""

    def run(self) -> None:
        """Run the network once on its example; returns when the scores are there."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return class scores (N, classes) of images (N, C, H, W) float32."""
        ...

    def profile(self, runs: int) -> list[NodeTime] | None:
        """Return the time of each node over `runs` runs, in order; None where the runtime offers no profile."""


class Runtime(Protocol):
    """A way to execute networks.

    Attributes:
        dtypes: number formats it can run.
        suffixes: of model files that it loads (".onnx").
        install: the command that installs what it needs.
    """

    dtypes: tuple[str, ...]
    suffixes: tuple[str, ...]
    install: str

    def version(self) -> str | None:
        """Return the installed version, None where the runtime is missing; imports nothing heavy."""

    def settings(self, dtype: str) -> dict[str, str]:
        """Return what was chosen for the runtime, for the fingerprint; called where `load` is."""
        ...

    def export(
        self,
        module: "nn.Module",
        input_shape: InputShape,
        folder: Path,
        *,
        dtype: str,
        calibration: Sequence[np.ndarray],
    ) -> Path:
        """Write `module` as model files into the empty `folder` and return the one that `load` is given.

        `calibration` batches (N, C, H, W) float32 give int8 its ranges. Raises MeasurementError, in one line that
        names the operator where it is one, where the runtime cannot take the network.
        """
        ...

    def load(self, path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> Session:
        """Return a model file ready to run with `threads` threads; raises MeasurementError where it cannot run.

        `input_shape` is needed only where the file leaves its size open. The file stays as long as the session.
        """
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


def model_suffixes() -> set[str]:
    """Return the suffixes of all model files that some runtime loads."""
    return {suffix for name in RUNTIMES for suffix in RUNTIMES.get(name).suffixes}


def random_images(input_shape: InputShape, count: int = _RANDOM_CALIBRATION_IMAGES) -> list[np.ndarray]:
    """Return `count` batches of normally distributed values, the same each time: what speed needs for calibration."""
    images = np.random.default_rng(0).standard_normal((count, *input_shape), dtype=np.float32)
    return list(images)


def typical_ms(durations: Sequence[float]) -> float:
    """Return the mean of the middle three fifths: profilers count whole microseconds, which a median would keep."""
    ordered, cut = sorted(durations), len(durations) // 5
    return float(np.mean(ordered[cut : len(ordered) - cut]))


def in_batches(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, batch: int) -> np.ndarray:
    """Return what `run` makes of images (N, C, H, W) in full batches, the last one filled up: none takes fewer."""
    filled = np.pad(images, ((0, -len(images) % batch), (0, 0), (0, 0), (0, 0)))
    scores = [np.asarray(run(filled[start : start + batch])) for start in range(0, len(filled), batch)]
    return np.concatenate(scores)[: len(images)]


def open_session(
    name: str,
    module: "nn.Module",
    input_shape: InputShape,
    *,
    dtype: str = "fp32",
    threads: int = 1,
    calibration: Sequence[np.ndarray] | None = None,
) -> Session:
    """Return `module` ready to run in this process: for its scores; latencies are measured in a process apart."""
    runtime = get_runtime(name, dtype)
    folder = Path(tempfile.mkdtemp(prefix="edgezoo-"))
    try:
        batches = random_images(input_shape) if calibration is None else calibration
        path = runtime.export(module, input_shape, folder, dtype=dtype, calibration=batches)
        session = runtime.load(path, input_shape, dtype=dtype, threads=threads)
    except BaseException:
        shutil.rmtree(folder)
        raise
    weakref.finalize(session, shutil.rmtree, folder)
    return session
