"""Whether OpenVINO's converter kept what was learned: its file is read again and compared tensor by tensor."""

from pathlib import Path
from typing import Any

import numpy as np

from model_compression.errors import QuantizationError
from model_compression.quantization.onnx_graph import DEQUANTIZE, constants, load_onnx

_STEPS = 255


def check_ir(qdq_path: Path, path: Path) -> None:
    """Raise QuantizationError for the first weight, scale or range of `path` (.xml) that is not that of `qdq_path`.

    Weights and their scales are equal to the last bit; of activations, OpenVINO keeps the ends of the range, which
    are compared to float32's precision.
    """
    import openvino

    model = load_onnx(qdq_path)
    known = constants(model)
    nodes = {node.get_friendly_name(): node for node in openvino.Core().read_model(path).get_ops()}
    for node in model.graph.node:
        if node.op_type != DEQUANTIZE:
            continue
        value, scale, zero_point = node.input
        if value not in known:
            _check_range(nodes.get(node.name), float(known[scale]), known[zero_point], value, path)
        elif known[value].dtype == np.int8:
            _require(_same(_data(nodes.get(value)), known[value]), value, path)
            multiply = nodes.get(node.name)
            _require(multiply and _same(_data(multiply.input_value(1).get_node()), known[scale]), scale, path)


def _check_range(node: Any, scale: float, zero_point: np.ndarray, value: str, path: Path) -> None:
    if node is None or node.get_type_name() != "FakeQuantize":  # two equal steps in a row became one
        return
    low, high = (float(_data(node.input_value(position).get_node()).item()) for position in (1, 2))
    lowest = float(np.iinfo(zero_point.dtype).min)
    expected = np.array([lowest - zero_point, lowest + _STEPS - zero_point]) * scale
    _require(np.allclose([low, high], expected, rtol=1e-6, atol=1e-6 * scale), value, path)


def _data(node: Any) -> Any:
    return node.data if node is not None and node.get_type_name() == "Constant" else None


def _same(held: Any, expected: np.ndarray) -> bool:
    return held is not None and held.size == expected.size and np.array_equal(held.ravel(), expected.ravel())


def _require(holds: Any, tensor: str, path: Path) -> None:
    if not holds:
        raise QuantizationError(f"tensor {tensor!r} in {path} is not what was learned: OpenVINO changed it")
