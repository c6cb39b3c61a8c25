"""Which parts of a quantized file onnxruntime computes in float all the same, read off the graph it makes of it."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto, NodeProto

from model_compression.errors import QuantizationError
from model_compression.quantization.onnx_graph import DEQUANTIZE, QUANTIZE, load_onnx
from zoo.errors import first_line

# operators that onnxruntime fuses with the quantizers around them on the CPU
_FUSED = {
    *("Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool"),
    *("LeakyRelu", "Sigmoid", "Softmax"),
}
_MOVES_DATA = {"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Identity", "Slice", "Split", "Pad"}
# a fusion keeps the node's name and may add a number
_ADDED = re.compile(r"_token_\d+$")


@dataclass(frozen=True)
class Finding:
    """An operator that runs in float: its node's name, what it is, and why, "" where that is not known."""

    name: str
    operator: str
    why: str


def float_operators(qdq_path: Path) -> list[Finding]:
    """Return what runs in float in onnxruntime's optimized graph of a quantized file, in order.

    Moves of data are left out. Raises QuantizationError where onnxruntime cannot open the file.
    """
    model, optimized = load_onnx(qdq_path), optimized_graph(qdq_path)
    quantized = {node.output[0] for node in model.graph.node if node.op_type == DEQUANTIZE}
    requantized = {node.input[0] for node in model.graph.node if node.op_type == QUANTIZE}
    written = {node.name: node for node in model.graph.node if node.name}
    floats = _float_values(optimized)
    findings = []
    for node in optimized.graph.node:
        if node.op_type not in (*_MOVES_DATA, QUANTIZE, DEQUANTIZE) and floats.intersection(node.input):
            name = _ADDED.sub("", node.name)
            why = _why(written.get(name, node), quantized, requantized)
            findings.append(Finding(name or node.output[0], node.op_type, why))
    return findings


def _float_values(model: ModelProto) -> set[str]:
    """Return the names of the values that are float; onnxruntime writes nodes in no promised order."""
    weights = {tensor.name for tensor in model.graph.initializer}
    floats, before = {value.name for value in model.graph.input}, -1
    while len(floats) != before:
        before = len(floats)
        for node in model.graph.node:
            is_float = node.op_type == DEQUANTIZE or (node.op_type != QUANTIZE and floats.intersection(node.input))
            if is_float and node.input[0] not in weights:
                floats.update(node.output)
    return floats


def optimized_graph(path: Path) -> ModelProto:
    """Return what onnxruntime makes of a file on the CPU, before it turns to the layout of memory and to names anew."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        options.log_severity_level = 3
        try:
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises many kinds, none of them public
            raise QuantizationError(f"onnxruntime cannot open {path}: {first_line(error)}") from None
        return load_onnx(Path(folder) / "optimized.onnx")


def _why(node: NodeProto, quantized: set[str], requantized: set[str]) -> str:
    if node.domain:
        return ""
    if node.op_type not in _FUSED:
        return f"onnxruntime has no int8 {node.op_type}"
    if any(name not in quantized for name in node.input[:2]):
        return "what it reads is not quantized in the file"
    if node.output[0] not in requantized:
        return "its result is not quantized in the file"
    return ""
