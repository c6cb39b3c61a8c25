"""Networks of one runtime on one device, loaded side by side so that they can be timed in turns."""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from latency_tables.device import Device
from latency_tables.errors import MeasurementError
from latency_tables.machine import MachineState
from latency_tables.runtimes import RUNTIMES, InputShape, NodeTime, get_runtime, random_images
from latency_tables.transport import LOCAL, UnreachableError, WorkerDiedError
from latency_tables.worker_process import WorkerProcess
from zoo import ArchSpec, BlockSpec

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

# a fraction of a millisecond, small enough to run beside every sample: convolutions of every sort
_REFERENCE = ArchSpec(
    resolution=32,
    blocks=(
        BlockSpec(kind="conv", out_chans=16),
        BlockSpec(kind="conv", out_chans=32, stride=2),
        BlockSpec(kind="inverted_residual", out_chans=64, stride=2),
        BlockSpec(kind="inverted_residual", out_chans=64, options={"expand": 4.0}),
        BlockSpec(kind="conv", out_chans=128, options={"kernel": 1}),
    ),
)
_REFERENCE_NAME = "reference"


class Paired(NamedTuple):
    """One sample of a network and one of the reference just before it, milliseconds of one run each."""

    ms: float
    reference_ms: float
    disturbed: bool


class _Model(NamedTuple):
    path: Path
    input_shape: InputShape | None


class Bench:
    """A measuring process with networks in it; a network that crashes or hangs it is taken out and the others go on.

    Args:
        device: `local`, or `ssh://[user@]host[:port][/path/of/python]`.
        limit_seconds: for one request to the runtime, such as loading a network.
        ssh_options: for `ssh`, before the host.

    Use it as a context. Raises RuntimeUnavailableError where the runtime or its dtype is missing, here or there.
    """

    def __init__(
        self,
        runtime: str,
        dtype: str,
        threads: int = 1,
        *,
        device: str = LOCAL,
        limit_seconds: float = 300.0,
        ssh_options: Sequence[str] = (),
    ) -> None:
        # what a device far off has is found out there
        self._backend = get_runtime(runtime, dtype) if device == LOCAL else RUNTIMES.get(runtime)
        self._dtype = dtype
        self._models, self._lost = dict[str, _Model](), dict[str, str]()
        self._start = functools.partial(
            WorkerProcess, runtime, dtype, threads, device=device, limit_seconds=limit_seconds, ssh_options=ssh_options
        )
        self._worker: WorkerProcess | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="edgezoo-")
        try:
            self._worker = self._start()
            self.device = Device(**self._worker.facts, runtime=runtime, dtype=dtype, threads=threads)
            size = _REFERENCE.resolution
            self.add(_REFERENCE_NAME, _REFERENCE.build(10, 3, seed=0), (1, 3, size, size))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the measuring process and delete the model files."""
        self._end_worker()
        self._folder.cleanup()

    def add(
        self,
        name: str,
        module: "nn.Module",
        input_shape: InputShape,
        calibration: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Load a network under `name`; raises MeasurementError where the runtime cannot run it."""
        batches = random_images(input_shape) if calibration is None else calibration
        with self._new_files(name) as folder:
            path = self._backend.export(module, input_shape, folder, dtype=self._dtype, calibration=batches)
            self._load(name, path, input_shape)

    def add_file(self, name: str, path: Path, input_shape: InputShape | None = None) -> None:
        """Load a model file of the runtime, with the files beside it that share its stem."""
        if path.suffix not in self._backend.suffixes:
            known = ", ".join(self._backend.suffixes) or "no model files"
            raise MeasurementError(f"runtime {self.device.runtime!r} loads {known}, not {path.name!r}")
        if not path.is_file():
            raise MeasurementError(f"no model file {str(path)!r}")

        with self._new_files(name) as folder:
            for part in path.parent.iterdir():
                if part.name.startswith(f"{path.stem}."):
                    (folder / part.name).symlink_to(part.resolve())
            self._load(name, folder / path.name, input_shape)

    def add_exported(self, name: str, path: Path, input_shape: InputShape) -> None:
        """Load a model file that lies, alone with what belongs to it, in a folder of its own."""
        with self._new_files(name) as folder:
            for part in path.parent.iterdir():
                shutil.move(part, folder)
            self._load(name, folder / path.name, input_shape)

    def remove(self, name: str) -> None:
        """Forget a network and free its memory."""
        self._lost.pop(name, None)
        if model := self._models.pop(name, None):
            shutil.rmtree(model.path.parent)
            if self._worker is not None:
                with contextlib.suppress(WorkerDiedError, UnreachableError):  # then it is forgotten anyway
                    self._worker.unload(name)

    def visit(self, name: str, samples: int = 3) -> list[Paired]:
        """Time `name` and the reference in turns, `samples` times each."""
        taken = self._ask(name, lambda worker: worker.visit(name, _REFERENCE_NAME, samples))
        return [Paired(ms, pace, bool(disturbed or slowed)) for ms, disturbed, pace, slowed in taken]

    def profile(self, name: str, runs: int) -> list[NodeTime] | None:
        """Return the runtime's time of each node of `name`; None where it offers no profile."""
        return self._ask(name, lambda worker: worker.profile(name, runs))

    def state(self) -> MachineState:
        """Return what may disturb a measurement on the device just now."""
        return self._running().state()

    @contextlib.contextmanager
    def _new_files(self, name: str) -> Iterator[Path]:
        """Give a folder for the files of a new network; it is deleted where they cannot be made or loaded."""
        if name in self._models:
            raise ValueError(f"the bench has a network {name!r} already")
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder)
            raise

    def _load(self, name: str, path: Path, input_shape: InputShape | None) -> None:
        model = _Model(path, input_shape)
        self._ask(name, lambda worker: worker.load(name, *model))
        self._models[name] = model

    def _ask(self, name: str, request: Callable[[WorkerProcess], T], *, again: bool = True) -> T:
        """Return the answer about `name`; where the process dies of it, that network is out and the others stay."""
        worker = self._running()
        if name in self._lost:
            raise MeasurementError(self._lost[name])
        try:
            return request(worker)
        except UnreachableError:  # no fault of the network, and the connection may come back
            if not again:
                raise
            return self._ask(name, request, again=False)
        except WorkerDiedError as error:
            self._lose(name, error)
            raise MeasurementError(self._lost[name]) from None

    def _running(self) -> WorkerProcess:
        """Return the measuring process; a new one after a death, with the networks that did not cause it."""
        if self._worker is not None and not self._worker.alive:
            self._end_worker()
        while self._worker is None:
            if _REFERENCE_NAME in self._lost:
                raise MeasurementError(f"the reference network fails, {self._lost[_REFERENCE_NAME]}")
            self._worker = self._start()
            for name, model in list(self._models.items()):
                try:
                    self._worker.load(name, *model)
                except UnreachableError:
                    raise
                except MeasurementError as error:
                    self._lose(name, error)
                    break
        return self._worker

    def _lose(self, name: str, error: MeasurementError) -> None:
        """Take a network out, and end the process, which it has spoilt."""
        self._lost[name] = f"{self.device.runtime}: {error}"
        if model := self._models.pop(name, None):
            shutil.rmtree(model.path.parent)
        self._end_worker()

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None
