"""ONNX Runtime on the CPU, fp32 and int8 (QDQ)."""

import importlib.metadata
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latency_tables.errors import MeasurementError
from latency_tables.machine import has_vnni
from latency_tables.node_names import module_path
from latency_tables.runtimes import RUNTIMES, InputShape, NodeTime, in_batches, typical_ms
from zoo.errors import first_line

if TYPE_CHECKING:
    from torch import nn

_WARM_UP_RUNS = 3


class OnnxRuntimeSession:
    """An ONNX file in an inference session of its own."""

    def __init__(self, path: Path, input_shape: InputShape | None, threads: int) -> None:
        self._path, self._threads = path, threads
        self._session = _open(path, threads)
        entry = self._session.get_inputs()[0]
        shape = input_shape or tuple(d if isinstance(d, int) else 1 for d in entry.shape)
        self._name = entry.name
        self._example = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def run(self) -> None:
        self._session.run(None, {self._name: self._example})

    def predict(self, images: np.ndarray) -> np.ndarray:
        return in_batches(lambda chunk: self._session.run(None, {self._name: chunk})[0], images, len(self._example))

    def profile(self, runs: int) -> list[NodeTime]:
        with tempfile.TemporaryDirectory() as folder:
            session = _open(self._path, self._threads, profile_prefix=f"{folder}/profile")
            for _ in range(_WARM_UP_RUNS + runs):
                session.run(None, {self._name: self._example})
            events = json.loads(Path(session.end_profiling()).read_text())
        return _node_times(events)


def _open(path: Path, threads: int, profile_prefix: str | None = None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile_prefix:
        options.enable_profiling = True
        options.profile_file_prefix = profile_prefix
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise MeasurementError(f"onnxruntime cannot run it: {first_line(error)}") from error


def _node_times(events: list[dict[str, Any]]) -> list[NodeTime]:
    """Return the median time of each node in order of execution, the first runs left out."""
    durations: dict[str, list[float]] = defaultdict(list)
    nodes: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            durations[event["name"]].append(event["dur"] / 1000)
            nodes.setdefault(event["name"], event["args"])
    times = []
    for name, args in nodes.items():
        inputs = tuple(tuple(shape) for entry in args["input_type_shape"] for shape in entry.values())
        outputs = tuple(tuple(shape) for entry in args["output_type_shape"] for shape in entry.values())
        executed = args["op_name"] + (" nchwc" if "_nchwc" in name else "")
        ms = typical_ms(durations[name][_WARM_UP_RUNS:])
        times.append(NodeTime(args["op_name"], executed, module_path(name), inputs, outputs, ms))
    return times


@RUNTIMES.register("onnxruntime")
class OnnxRuntime:
    """ONNX Runtime's CPU execution provider with all graph optimisations."""

    dtypes = ("fp32", "int8")
    suffixes = (".onnx",)
    install = "pip install onnxruntime"

    @staticmethod
    def version() -> str | None:
        try:
            return importlib.metadata.version("onnxruntime")
        except importlib.metadata.PackageNotFoundError:
            return None

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        settings = {"provider": "CPUExecutionProvider"}
        if dtype == "int8":
            settings |= {"int8": "QDQ u8s8 per-channel", "vnni": str(has_vnni()).lower()}
        return settings

    @staticmethod
    def export(
        module: "nn.Module", input_shape: InputShape, folder: Path, *, dtype: str, calibration: Sequence[np.ndarray]
    ) -> Path:
        from latency_tables.onnx_files import export_onnx, quantize_onnx

        path = folder / "model.onnx"
        export_onnx(module, input_shape, path)
        if dtype == "int8":
            quantize_onnx(path, folder / "int8.onnx", calibration)
            path.unlink()
            path = folder / "int8.onnx"
        return path

    @staticmethod
    def load(path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> OnnxRuntimeSession:
        return OnnxRuntimeSession(path, input_shape, threads)
