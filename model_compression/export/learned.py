"""What quantization learned, in the model file of any runtime: its scales, zero points and integer weights."""

from collections.abc import Callable
from pathlib import Path

from latency_tables.runtimes import InputShape
from model_compression.errors import QuantizationError
from model_compression.export.ir_check import check_ir
from model_compression.export.qdq_module import QdqModule
from model_compression.export.xnnpack_limits import check_for_xnnpack
from model_compression.quantization.onnx_graph import load_onnx
from zoo.files import write_atomic


def export_learned(qdq_path: Path, path: Path) -> Path:
    """Write a quantized ONNX file of `write_network` or `place` as the file of another runtime; return its path.

    Args:
        path: its suffix tells the format: .onnx is a copy; .xml OpenVINO's, with .bin beside it; .pte ExecuTorch's for
            XNNPACK, with the layers' names in .json beside it; .pt2 a program of `torch.export` with PyTorch's
            `quantized_decomposed` operators, which `latency_tables.torch_programs.load_program` reads.

    Raises QuantizationError for another suffix, and naming layer or operator where the format cannot hold what was
    learned; RuntimeUnavailableError or MeasurementError where the runtime is missing or refuses the network.
    """
    if path.suffix not in _WRITERS:
        raise QuantizationError(f"what was learned is written as {', '.join(_WRITERS)}, not {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[path.suffix](qdq_path, path)
    return path


def _write_ir(qdq_path: Path, path: Path) -> None:
    from latency_tables import get_runtime
    from latency_tables.runtimes.openvino import write_ir

    get_runtime("openvino", "int8")  # for its clear message
    write_ir(qdq_path, path)
    check_ir(qdq_path, path)


def _write_pte(qdq_path: Path, path: Path) -> None:
    from latency_tables import get_runtime
    from latency_tables.executorch_files import export_program

    get_runtime("executorch", "int8")
    module = QdqModule(qdq_path, signed=True)  # XNNPACK has no uint8
    check_for_xnnpack(module)
    export_program(module, _shape(qdq_path), path)


def _write_pt2(qdq_path: Path, path: Path) -> None:
    from latency_tables.torch_programs import write_program

    write_program(QdqModule(qdq_path), _shape(qdq_path), path)


def _copy(qdq_path: Path, path: Path) -> None:
    write_atomic(path, qdq_path.read_bytes())


_WRITERS: dict[str, Callable[[Path, Path], None]] = {
    ".onnx": _copy,
    ".xml": _write_ir,
    ".pte": _write_pte,
    ".pt2": _write_pt2,
}


def _shape(qdq_path: Path) -> InputShape:
    entry = load_onnx(qdq_path).graph.input[0].type.tensor_type.shape.dim
    return tuple(dimension.dim_value for dimension in entry)  # type: ignore[return-value]
