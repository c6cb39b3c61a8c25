"""OpenVINO on the CPU: fp32, bf16, and int8 either as our QDQ file or as NNCF quantizes."""

import contextlib
import importlib.metadata
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latency_tables.errors import MeasurementError, RuntimeUnavailableError
from latency_tables.machine import has_vnni
from latency_tables.node_names import module_path
from latency_tables.runtimes import RUNTIMES, InputShape, NodeTime, in_batches, typical_ms

if TYPE_CHECKING:
    from torch import nn

_PROPERTIES = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": "NO"}
_PROFILE_COPIES = 5
_LEAST_PROFILE_RUNS = 10
_WITH_WEIGHTS = ("Convolution", "FullyConnected")
_ADDED_TO_NAME = "/WithoutBiases"  # by OpenVINO, to convolutions and products with a bias; more may follow it


class OpenVinoSession:
    """A network compiled for this processor, with its example image as standing input."""

    def __init__(self, path: Path, input_shape: InputShape | None, dtype: str, threads: int) -> None:
        self._model, self._properties, self._threads = _read(path, input_shape), _properties(dtype), threads
        self._compiled = _compile(self._model, self._properties, threads)
        self._example = np.random.default_rng(0).standard_normal(self._model.input().shape, dtype=np.float32)
        self._request = self._request_of(self._compiled)

    def run(self) -> None:
        self._request.infer(share_outputs=True)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return in_batches(lambda chunk: self._compiled(chunk)[0], images, len(self._example))

    def profile(self, runs: int) -> list[NodeTime]:
        times, nodes = [], []
        # OpenVINO tells the mean since it compiled a network: of several copies a disturbance spoils only one
        for _ in range(_PROFILE_COPIES):
            compiled = _compile(self._model, {**self._properties, "PERF_COUNT": "YES"}, self._threads)
            request = self._request_of(compiled)
            # enough that the first run, on cold caches, weighs little
            for _ in range(max(runs // _PROFILE_COPIES, _LEAST_PROFILE_RUNS)):
                request.infer(share_outputs=True)
            nodes = sorted(compiled.get_runtime_model().get_ops(), key=lambda node: int(_told(node, "execOrder")))
            times.append([_milliseconds(node) for node in nodes])
        typical = [typical_ms(copies) for copies in zip(*times, strict=True)]
        return [_node_time(node, ms) for node, ms in zip(nodes, typical, strict=True) if ms]

    def _request_of(self, compiled: Any) -> Any:
        request = compiled.create_infer_request()
        # once: to hand it over with every run would take as long as a small network
        request.set_input_tensor(_openvino().Tensor(self._example, shared_memory=True))
        return request


def _openvino() -> Any:
    # its telemetry would report every import over the network, from a process of its own beside the one that measures
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _properties(dtype: str) -> dict[str, str]:
    # left alone, OpenVINO runs float networks in bf16 or fp16 where the processor can
    return {**_PROPERTIES, "INFERENCE_PRECISION_HINT": "bf16" if dtype == "bf16" else "f32"}


def _read(path: Path, input_shape: InputShape | None) -> Any:
    """Return the network in a model file, for images of one size."""
    ov = _openvino()
    with _in_one_line(f"openvino cannot read {path.name}"):
        model = _from_onnx(path) if path.suffix == ".onnx" else ov.Core().read_model(path)
    if len(model.inputs) != 1 or model.input().element_type != ov.Type.f32:
        raise MeasurementError(f"{path.name} takes something else than one float32 image")
    if input_shape is not None and model.input().partial_shape != ov.PartialShape(list(input_shape)):
        with _in_one_line(f"{path.name} cannot take images of {'x'.join(map(str, input_shape))}"):
            model.reshape(list(input_shape))
    if model.is_dynamic():
        raise MeasurementError(f"{path.name} leaves the size of its input open; say which input shape")
    return model


def _from_onnx(path: Path) -> Any:
    # Core.read_model would leave quantization steps apart that this joins, and grouped convolutions as NNCF misses them
    return _openvino().convert_model(path)


def _compile(model: Any, properties: dict[str, str], threads: int) -> Any:
    core = _openvino().Core()
    can_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if properties["INFERENCE_PRECISION_HINT"] == "bf16" and not can_bf16:
        raise MeasurementError("openvino cannot run bf16 here: this processor has no bf16 arithmetic; try fp32")
    with _in_one_line("openvino cannot run it, another runtime may"):
        compiled = core.compile_model(model, "CPU", {**properties, "INFERENCE_NUM_THREADS": threads})
    used = compiled.get_property("INFERENCE_NUM_THREADS")
    if used != threads:
        raise MeasurementError(f"openvino runs {used} threads here, not {threads}")
    return compiled


@contextlib.contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Turn an error of OpenVINO, many lines of which the last is the cause, into a MeasurementError of one."""
    try:
        yield
    except Exception as error:  # its exceptions share no base class
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MeasurementError(f"{what}: {lines[-1].lstrip('- ')}") from error


def _told(node: Any, what: str) -> str:
    return node.get_rt_info()[what].astype(str)


def _milliseconds(node: Any) -> float:
    """Return the mean time of a node; 0 where it did nothing, or too little for OpenVINO's clock."""
    counted = _told(node, "execTimeMcs")
    whole = int(counted) if counted.isdigit() else 0
    # whole microseconds, the rest cut off; a layer with weights had something to do in any case
    return (whole + 0.5) / 1000 if whole or _told(node, "layerType") in _WITH_WEIGHTS else 0.0


def _node_time(node: Any, ms: float) -> NodeTime:
    op = _told(node, "layerType")
    module = "" if op == "Reorder" else module_path(node.get_friendly_name().split(_ADDED_TO_NAME)[0])
    inputs, outputs = (tuple(tuple(port.get_shape()) for port in ports) for ports in (node.inputs(), node.outputs()))
    return NodeTime(op, _told(node, "primitiveType"), module, inputs, outputs, ms)


def write_ir(onnx_path: Path, path: Path) -> None:
    """Write an ONNX file, float or quantized, as OpenVINO's own `path` (.xml), its weights beside it (.bin)."""
    from latency_tables.quiet import quiet

    with quiet():
        _openvino().save_model(_named(onnx_path), path, compress_to_fp16=False)


def _named(onnx_path: Path) -> Any:
    """Return the network of an ONNX file, its nodes called as there."""
    with _in_one_line("openvino cannot run it, another runtime may"):
        model = _from_onnx(onnx_path)
    _name_last_node(model, onnx_path)
    return model


def _name_last_node(model: Any, onnx_path: Path) -> None:
    """Call what computes the output after its node in the ONNX file, as all others; OpenVINO called it `logits`."""
    import onnx

    output = model.get_result().input_value(0)
    for node in onnx.load(onnx_path).graph.node:
        if output.get_any_name() in node.output:
            output.get_node().set_friendly_name(node.name)


def _quantize(model: Any, calibration: Sequence[np.ndarray]) -> Any:
    """Return the network as NNCF quantizes it, with ranges from the calibration batches."""
    if not len(calibration):
        raise MeasurementError("no images to calibrate int8 with")
    try:
        import nncf
    except ImportError as error:
        raise RuntimeUnavailableError(f"dtype 'int8-nncf' needs nncf; {OpenVino.install}") from error
    # without VNNI the sums are kept in 16 bits, which full weights overflow
    fix = nncf.OverflowFix.DISABLE if has_vnni() else nncf.OverflowFix.ENABLE
    with _in_one_line("nncf cannot quantize it, dtype int8 may"):
        return nncf.quantize(
            model,
            nncf.Dataset(calibration),
            subset_size=len(calibration),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=fix),
        )


@RUNTIMES.register("openvino")
class OpenVino:
    """OpenVINO's CPU plugin, one stream, tuned for latency."""

    dtypes = ("fp32", "bf16", "int8", "int8-nncf")
    suffixes = (".xml", ".onnx")
    install = "pip install 'edgezoo[openvino]'"

    @staticmethod
    def version() -> str | None:
        try:
            return importlib.metadata.version("openvino")
        except importlib.metadata.PackageNotFoundError:
            return None

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        settings = {name.lower(): value.lower() for name, value in _properties(dtype).items()}
        if dtype.startswith("int8"):
            quantized = "NNCF post-training, symmetric" if dtype == "int8-nncf" else "QDQ u8s8 per-channel"
            settings |= {"int8": quantized, "vnni": str(has_vnni()).lower()}
        return settings

    @staticmethod
    def export(
        module: "nn.Module", input_shape: InputShape, folder: Path, *, dtype: str, calibration: Sequence[np.ndarray]
    ) -> Path:
        from latency_tables.onnx_files import export_onnx, quantize_onnx
        from latency_tables.quiet import quiet

        with tempfile.TemporaryDirectory() as work:
            onnx_path, int8_path = Path(work, "float.onnx"), Path(work, "int8.onnx")
            export_onnx(module, input_shape, onnx_path)
            if dtype == "int8":
                quantize_onnx(onnx_path, int8_path, calibration)
                onnx_path = int8_path
            with quiet(), contextlib.redirect_stdout(io.StringIO()):  # NNCF draws progress bars
                model = _named(onnx_path)
                if dtype == "int8-nncf":
                    model = _quantize(model, calibration)
            path = folder / "model.xml"
            _openvino().save_model(model, path, compress_to_fp16=False)
        return path

    @staticmethod
    def load(path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> OpenVinoSession:
        return OpenVinoSession(path, input_shape, dtype, threads)
