"""What the ONNX files say: constants, attributes, and where onnxruntime placed its quantizers."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from latency_tables.quiet import quiet
from model_compression.errors import QuantizationError
from zoo.errors import first_line

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_OUTPUT_SUFFIX = "_QuantizeLinear_Input"


def load_onnx(path: Path) -> ModelProto:
    """Return the file's model; raises QuantizationError where it cannot be read as one."""
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf, onnx and the operating system raise kinds of their own
        raise QuantizationError(f"{path} is not a readable ONNX file: {first_line(error)}") from None


def prepared(float_path: Path) -> ModelProto:
    """Return the float model as quantize_static sees it: simplified by onnxruntime, with shapes.

    Its nodes and values carry the names that they have in the quantized file.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    load_onnx(float_path)  # for its clear message
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "prepared.onnx"
        quant_pre_process(str(float_path), str(path), skip_symbolic_shape=True)
        return onnx.load(path)


def constants(model: ModelProto) -> dict[str, np.ndarray]:
    """Return initializers and the results of Constant nodes by name."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            value = onnx.helper.get_attribute_value(node.attribute[0])
            is_tensor = isinstance(value, onnx.TensorProto)
            found[node.output[0]] = numpy_helper.to_array(value) if is_tensor else np.array(value)
    return found


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return the node's attributes as numbers, lists and texts."""
    found = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def node_name(node: NodeProto) -> str:
    """Return the name of a node, or of its first result where onnxruntime left it without one."""
    return node.name or node.output[0]


@dataclass(frozen=True)
class QuantizedConstant:
    """Integers in a quantized file: the names of three initializers, and the axis of the channels, if any."""

    integers: str
    scale: str
    zero_point: str
    axis: int | None

    @property
    def key(self) -> str:
        """Return the name of the float tensor that it stands for, as a key of `QuantizedNetwork.weights`."""
        return module_key(self.integers.removesuffix("_quantized"))


def module_key(name: str) -> str:
    """Return an ONNX name as torch allows it in a module.

    >>> module_key("head.classifier.weight")
    'head/classifier/weight'
    """
    return name.replace(".", "/")


class QdqFile:
    """A quantized file, asked for its scales.

    Attributes:
        model: as loaded.
        constants: initializers by name.
        scales: (scale, zero point) initializers by the value that is quantized with them.
    """

    def __init__(self, model: ModelProto) -> None:
        self.model, self.constants = model, constants(model)
        nodes = [node for node in model.graph.node if node.op_type not in (QUANTIZE, DEQUANTIZE)]
        self._nodes = {node_name(node): node for node in nodes}
        self._dequantized = {node.output[0]: node for node in model.graph.node if node.op_type == DEQUANTIZE}
        self.scales = {
            node.input[0].removesuffix(_OUTPUT_SUFFIX): (node.input[1], node.input[2])
            for node in model.graph.node
            if node.op_type == QUANTIZE
        }

    def has(self, node: NodeProto) -> bool:
        """Return whether a node of the float file is here; clips that a quantizer does the work of are not."""
        return node_name(node) in self._nodes

    def constant(self, node: NodeProto, index: int) -> QuantizedConstant | None:
        """Return what the node of the float file reads here as its input `index`, None if that is float."""
        here = self._nodes.get(node_name(node))
        dequantize = self._dequantized.get(here.input[index]) if here else None
        if dequantize is None or dequantize.input[0] not in self.constants:
            return None
        integers, scale, zero_point = dequantize.input
        axis = attributes(dequantize).get("axis", 1) if self.constants[scale].ndim else None
        return QuantizedConstant(integers, scale, zero_point, axis)
