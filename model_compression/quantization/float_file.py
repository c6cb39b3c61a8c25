"""A float ONNX file whose weights are rewritten before it is quantized."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from zoo.files import write_atomic

# what keeps a channel's values in their channel, and multiplies them by s where its input is multiplied by s > 0
_CHANNEL_WISE = {"Relu", "LeakyRelu", "Identity", "Dropout", "MaxPool", "AveragePool", "GlobalAveragePool", "Flatten"}


class FloatFile:
    """The graph of a float file, with a weight of its own for every layer.

    Attributes:
        constants: initializers by name.
        layers: convolutions and fully connected layers with constant weights, in order of execution.
    """

    def __init__(self, path: Path) -> None:
        self.model = _simplified(path)
        self.graph = self.model.graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in self.graph.initializer}
        self.layers = [node for node in self.graph.node if self._is_layer(node)]
        self._own_weights()
        self.consumers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in node.input:
                self.consumers[name].append(node)
        self._outputs = {output.name for output in self.graph.output}

    def _is_layer(self, node: NodeProto) -> bool:
        if len(node.input) < 2 or node.input[1] not in self.constants:
            return False
        if node.op_type == "Conv":
            return True
        return node.op_type == "Gemm" and all(
            attribute(node, name, default) == wanted
            for name, default, wanted in (("transA", 0, 0), ("transB", 0, 1), ("alpha", 1.0, 1.0), ("beta", 1.0, 1.0))
        )

    def _own_weights(self) -> None:
        """Give each layer its own copy of what it shares: the exporter merges equal initializers."""
        uses = defaultdict(int)
        for node in self.graph.node:
            for name in node.input:
                uses[name] += 1
        for layer in self.layers:
            for slot in range(1, len(layer.input)):
                name = layer.input[slot]
                if uses[name] > 1:
                    uses[name] -= 1
                    layer.input[slot] = f"{name}_of_{layer.output[0]}"
                    self.constants[layer.input[slot]] = self.constants[name].copy()
                    self.graph.initializer.append(numpy_helper.from_array(self.constants[name], layer.input[slot]))

    def weight(self, layer: NodeProto) -> np.ndarray:
        """Return the weights of a layer, output channels first."""
        return self.constants[layer.input[1]]

    def bias(self, layer: NodeProto) -> np.ndarray:
        """Return the bias of a layer; zeros where it has none."""
        if len(layer.input) > 2:
            return self.constants[layer.input[2]]
        return np.zeros(len(self.weight(layer)), np.float32)

    def set_weights(self, layer: NodeProto, weight: np.ndarray, bias: np.ndarray) -> None:
        """Replace weights and bias of a layer; one without a bias gets one unless it would be all zeros."""
        self.constants[layer.input[1]] = weight.astype(np.float32)
        if len(layer.input) < 3 and bias.any():
            layer.input.append(f"{layer.input[1]}_bias")
            self.graph.initializer.append(TensorProto(name=layer.input[2]))
        if len(layer.input) > 2:
            self.constants[layer.input[2]] = bias.astype(np.float32)

    def path_to_next(self, layer: NodeProto) -> list[NodeProto] | None:
        """Return the nodes after `layer` up to the layer that alone reads its result; None where there is none.

        All between keep channels apart: activations that are linear on both sides of 0, Clip from 0, pooling, zeros
        around the image.
        """
        path: list[NodeProto] = []
        value = layer.output[0]
        while len(readers := self.consumers[value]) == 1 and value not in self._outputs:
            node = readers[0]
            path.append(node)
            if any(node is other for other in self.layers):
                return path if node.input[0] == value and self._keeps_channels(layer, node) else None
            if not self._is_channel_wise(node):
                return None
            value = node.output[0]
        return None

    def _is_channel_wise(self, node: NodeProto) -> bool:
        if node.op_type == "Clip":
            return self.clip_top(node) is not None
        if node.op_type == "Pad":
            pads, fill = (self.constants.get(name) for name in (*node.input[1:3], "")[:2])
            mode = next((a.s for a in node.attribute if a.name == "mode"), b"constant")
            zeros = mode == b"constant" and (fill is None or not fill.any())
            return zeros and pads is not None and len(pads) == 8 and not pads[[0, 1, 4, 5]].any()
        return node.op_type in _CHANNEL_WISE

    def _keeps_channels(self, layer: NodeProto, following: NodeProto) -> bool:
        """Whether the channels of `layer` are the inputs of `following`: Flatten may have mixed in positions."""
        return self.weight(following).shape[1] * attribute(following, "group", 1) == len(self.weight(layer))

    def clip_top(self, node: NodeProto) -> float | None:
        """Return the upper bound of a Clip that starts at 0; None where it is another one."""
        if len(node.input) != 3 or any(name not in self.constants for name in node.input[1:]):
            return None
        low, high = (float(self.constants[name]) for name in node.input[1:])
        return high if low == 0 else None

    def channel_ranges(self, values: Sequence[str], batches: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the smallest and the largest of each channel of `values` on input `batches`: [2, channels]."""
        wanted = list(dict.fromkeys(values))
        if not wanted:
            return {}
        probed = onnx.ModelProto()
        probed.CopyFrom(self._updated())
        probed.graph.output.extend(helper.make_tensor_value_info(v, TensorProto.FLOAT, None) for v in wanted)
        session = onnxruntime.InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
        ranges: dict[str, np.ndarray] = {}
        for batch in batches:
            for name, result in zip(wanted, session.run(wanted, {self.graph.input[0].name: batch}), strict=True):
                axes = (0, *range(2, result.ndim))
                low, high = ranges.get(name, (np.inf, -np.inf))
                ranges[name] = np.stack([np.minimum(low, result.min(axes)), np.maximum(high, result.max(axes))])
        return ranges

    def save(self, path: Path) -> None:
        """Write the file; atomic."""
        write_atomic(path, self._updated().SerializeToString())

    def _updated(self) -> onnx.ModelProto:
        for tensor in self.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(self.constants[tensor.name], tensor.name))
        del self.graph.value_info[:]  # shapes of values, which channel splitting changes
        return self.model


def _simplified(path: Path) -> onnx.ModelProto:
    """Return the file with constants folded, as quantization will see it: padding is a computation in some files."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "simple.onnx")
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


@dataclass(frozen=True)
class Pair:
    """Two layers, the second of which alone reads what the first computes.

    Attributes:
        between: activation and pooling nodes between them.
    """

    first: NodeProto
    second: NodeProto
    between: tuple[NodeProto, ...]


def pairs(file: FloatFile) -> Iterator[Pair]:
    """Yield the pairs of layers of `file`, in order of execution."""
    for layer in file.layers:
        path = file.path_to_next(layer)
        if path:
            yield Pair(layer, path[-1], tuple(path[:-1]))


def attribute(node: NodeProto, name: str, default: int | float) -> int | float:
    """Return a number among the attributes of `node`."""
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def by_input_channel(weight: np.ndarray, groups: int) -> np.ndarray:
    """Return a view of weights [out, in / groups, ...] as [groups, out / groups, in / groups, positions]."""
    return weight.reshape(groups, len(weight) // groups, weight.shape[1], -1)
