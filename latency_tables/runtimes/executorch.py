"""ExecuTorch with the XNNPACK backend, fp32 and int8."""

import importlib.metadata
import json
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latency_tables.errors import MeasurementError
from latency_tables.runtimes import RUNTIMES, InputShape, NodeTime, in_batches, typical_ms
from zoo.errors import first_line

if TYPE_CHECKING:
    from torch import nn

_WEIGHTED = ("Convolution", "Deconvolution", "Fully Connected")

_WARM_UP_RUNS = 3
_OUTSIDE = " (outside XNNPACK)"
_LOST_NS = 500  # XNNPACK gives whole microseconds and drops the rest, half of one on average


class ExecuTorchSession:
    """A program in ExecuTorch, with the module of each of its convolutions and linear layers where they are known."""

    def __init__(self, path: Path, input_shape: InputShape | None, threads: int) -> None:
        import torch

        _set_threads(threads)
        self._model = path.read_bytes()
        # a method does not keep its program alive, nor the program's weights
        self._program, self._method = _open(self._model)
        shape = tuple(self._method.metadata.input_tensor_meta(0).sizes())
        if input_shape is not None and tuple(input_shape) != shape:
            raise MeasurementError(f"executorch: the program takes images {shape}, not {tuple(input_shape)}")
        names = path.with_suffix(".json")
        self._modules: list[str] = json.loads(names.read_text()) if names.exists() else []
        self._example = torch.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))
        _SESSIONS.add(self)

    def run(self) -> None:
        self._method.execute([self._example])

    def predict(self, images: np.ndarray) -> np.ndarray:
        import torch

        def run(chunk: np.ndarray) -> np.ndarray:
            return self._method.execute([torch.from_numpy(chunk)])[0].numpy()

        return in_batches(run, images.astype(np.float32), len(self._example))

    def profile(self, runs: int) -> list[NodeTime]:
        program, method = _open(self._model, traced=True)
        for _ in range(_WARM_UP_RUNS + runs):
            method.execute([self._example])
        return _node_times(_traces(program)[_WARM_UP_RUNS:], self._modules)


# ExecuTorch has one pool of threads, which its programs keep using as it was when they were loaded
_SESSIONS: "weakref.WeakSet[ExecuTorchSession]" = weakref.WeakSet()


def _set_threads(threads: int) -> None:
    from executorch.extension.pybindings import portable_lib

    if portable_lib._threadpool_get_thread_count() == threads:
        return
    if _SESSIONS:
        raise MeasurementError("executorch: one process has one number of threads; close the networks with another")
    portable_lib._unsafe_reset_threadpool(threads)


def _open(model: bytes, *, traced: bool = False) -> tuple[Any, Any]:
    from executorch.runtime import Runtime

    try:
        program = Runtime.get().load_program(model, enable_etdump=traced)
        return program, program.load_method("forward")
    except (RuntimeError, KeyError) as error:
        raise MeasurementError(f"executorch cannot load it: {first_line(error)}") from error


def _traces(program: Any) -> list[list[tuple[str, float]]]:
    """Return name and nanoseconds of each operator, run by run."""
    from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        program.write_etdump_result_to_file(str(path), f"{folder}/debug")
        trace = deserialize_from_etdump_flatcc(path.read_bytes())
    return [_operators(run.events or []) for run in trace.run_data if run.name == "Execute"]


def _operators(events: Sequence[Any]) -> list[tuple[str, float]]:
    operators = []
    for event in (e.profile_event for e in events if e.profile_event):
        duration = event.end_time - event.start_time
        if event.delegate_debug_id_str:
            operators.append((event.delegate_debug_id_str.rpartition(" #")[0], duration + _LOST_NS))
        elif event.name and event.name.startswith("native_call_"):
            operators.append((event.name.removeprefix("native_call_") + _OUTSIDE, duration))
    return operators


def _node_times(runs: list[list[tuple[str, float]]], modules: list[str]) -> list[NodeTime]:
    """Return the typical time of each operator in order of execution."""
    names = [name for name, _ in runs[0]]
    times = [typical_ms([nanoseconds / 1e6 for _, nanoseconds in operator]) for operator in zip(*runs, strict=True)]
    weighted = [name.startswith(_WEIGHTED) for name in names]
    remaining = iter(modules if len(modules) == sum(weighted) else [""] * sum(weighted))
    return [
        NodeTime(
            op=name.partition(" (")[0],
            executed=name,
            module=next(remaining) if has_weights else "",
            inputs=(),
            outputs=(),
            ms=ms,
        )
        for name, has_weights, ms in zip(names, weighted, times, strict=True)
    ]


@RUNTIMES.register("executorch")
class ExecuTorch:
    """ExecuTorch, whose XNNPACK backend takes all operators that it can; what is left shows in the profile."""

    dtypes = ("fp32", "int8")
    suffixes = (".pte",)
    install = "pip install 'edgezoo[executorch]'"

    @staticmethod
    def version() -> str | None:
        try:
            return importlib.metadata.version("executorch")
        except importlib.metadata.PackageNotFoundError:
            return None

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        settings = {"backend": "XNNPACK"}
        if dtype == "int8":
            settings["int8"] = "XNNPACKQuantizer s8s8 per-channel static"
        return settings

    @staticmethod
    def export(
        module: "nn.Module", input_shape: InputShape, folder: Path, *, dtype: str, calibration: Sequence[np.ndarray]
    ) -> Path:
        from latency_tables.executorch_files import export_program

        path = folder / "model.pte"
        export_program(module, input_shape, path, calibration=calibration if dtype == "int8" else None)
        return path

    @staticmethod
    def load(path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> ExecuTorchSession:
        return ExecuTorchSession(path, input_shape, threads)
