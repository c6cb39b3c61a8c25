"""A quantized ONNX file as a torch module with float weights, to be changed and written back.

read_network(qdq_path, float_path) computes what onnxruntime computes with the one file, and, after
quantize_weights(False) and quantize_activations(False), what it computes with the other.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid, QuantParams
from model_compression.quantization.onnx_graph import (
    QdqFile,
    QuantizedConstant,
    attributes,
    constants,
    load_onnx,
    module_key,
    node_name,
    prepared,
)
from model_compression.quantization.operators import get_operator
from model_compression.quantization.quantizer import FakeQuantizer
from zoo.errors import first_line

QUANTIZE = "Quantize"
_ACTIVATIONS = ("Clip", "Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh")


@dataclass(frozen=True)
class Layer:
    """A convolution or a linear layer with weights of its own.

    Attributes:
        name: of the node in both files.
        kind: "conv" or "linear".
        weight: key of `QuantizedNetwork.weights`, and of `quantizers` unless the layer stayed float.
        bias: key of `QuantizedNetwork.weights`, None where the layer has none.
        input: value that it reads, dequantized.
        output: value that it computes, before activation and quantizer.
        result: value after the activation and the quantizer that follow, which the next layer reads.
        groups: of a convolution; 1 else.
        channel_axis: the axis of the weight with the output channels.
    """

    name: str
    kind: str
    weight: str
    bias: str | None
    input: str
    output: str
    result: str
    groups: int
    channel_axis: int


@dataclass(frozen=True)
class Step:
    """One operator of the network.

    Attributes:
        inputs: names of values, keys of weights, and plain numbers and lists.
        quantizer: of a step "Quantize", its key; of an activation, the key of the quantizer that does its work in the
            quantized file, where the clip is gone: while that is enabled, the activation lets values pass.
    """

    name: str
    operator: str
    inputs: tuple[Any, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    quantizer: str | None = None


class QuantizedNetwork(nn.Module):
    """What onnxruntime computes with a QDQ file, in torch: float weights behind fake quantizers.

    A quantized value has two names: that of the float file for what goes into the quantizer, and `dequantized(name)`
    for what comes out.

    Attributes:
        layers: in order of execution.
        weights: float weights, biases and other constants, by their name in the quantized file (where biases that the
            float file shares are one each), with "/" for ".".
        quantizers: of weights by the weight's key, of activations by the name of the scale; values that share a scale
            share the quantizer.
        bias_scales: for each bias that becomes int32, the keys of the two quantizers whose scales make its own.
        steps: all operators, in order.
        input, output: names of the first and the last value.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.weights = nn.ParameterDict()
        self.quantizers = nn.ModuleDict()
        self.bias_scales: dict[str, tuple[str, str]] = {}
        self.steps: list[Step] = []
        self.input = self.output = ""

    def forward(self, images: Tensor) -> Tensor:
        """Return scores [N, classes] of images [N, C, H, W]."""
        return self.values([self.output], {self.input: images})[self.output]

    def values(
        self,
        wanted: Collection[str],
        inputs: Mapping[str, Tensor],
        *,
        after: Callable[[str, Tensor], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return the `wanted` values, computing no more than they need from the `inputs`, which may be any values.

        `after` is called with the name and result of each value that is computed, and returns what to go on with.
        """
        steps = self._steps_to(wanted, inputs)
        last_use = {name: position for position, step in enumerate(steps) for name in self._reads(step)}
        found = dict(inputs)
        for position, step in enumerate(steps):
            results = dict(zip(step.outputs, self._run(step, found), strict=True))
            found |= {name: after(name, result) for name, result in results.items()} if after else results
            for name in self._reads(step):
                if last_use[name] == position and name not in wanted:
                    found.pop(name, None)
        return {name: found[name] for name in wanted}

    def constant(self, key: str) -> Tensor:
        """Return a weight or bias as the runtime sees it: on its grid, if its quantizers are enabled."""
        value = self.weights[key]
        if key in self.quantizers:
            return self.quantizers[key](value)
        if key in self.bias_scales:
            activation, weight = (self.quantizer(name) for name in self.bias_scales[key])
            if activation.enabled and weight.enabled:
                scale = (activation.scale * weight.scale).detach()
                return value + ((value / scale).round() * scale - value).detach()
        return value

    def quantizer(self, key: str) -> FakeQuantizer:
        """Return the quantizer of a key."""
        return cast(FakeQuantizer, self.quantizers[key])

    def quantize_weights(self, enabled: bool) -> None:
        """Switch all quantizers of weights, and with them those of the biases."""
        for key in self.quantizers:
            if key in self.weights:
                self.quantizers[key].enabled = enabled

    def quantize_activations(self, enabled: bool) -> None:
        """Switch all quantizers of activations, and with them those of the biases."""
        for quantizer in self.activation_quantizers().values():
            quantizer.enabled = enabled

    def activation_quantizers(self) -> dict[str, FakeQuantizer]:
        """Return the quantizers of activations by key, in no promised order."""
        return {key: self.quantizers[key] for key in self.quantizers if key not in self.weights}

    def quantizer_of(self, value: str) -> str | None:
        """Return the key of the quantizer that `value` goes into or comes out of; None for a float value."""
        steps = (step for step in self.steps if step.operator == QUANTIZE)
        return next((step.quantizer for step in steps if value in (step.inputs[0], step.outputs[0])), None)

    def _reads(self, step: Step) -> list[str]:
        return [name for name in step.inputs if isinstance(name, str) and name not in self.weights]

    def _steps_to(self, wanted: Collection[str], inputs: Mapping[str, Tensor]) -> list[Step]:
        missing, steps = set(wanted) - set(inputs), []
        for step in reversed(self.steps):
            if missing.intersection(step.outputs):
                missing.difference_update(step.outputs)
                missing.update(name for name in self._reads(step) if name not in inputs)
                steps.append(step)
        if missing:
            raise QuantizationError(f"value {min(missing)!r} is not in the network, or lies before all given inputs")
        return steps[::-1]

    def _run(self, step: Step, found: Mapping[str, Tensor]) -> list[Tensor]:
        if step.operator == QUANTIZE:
            return [self.quantizers[step.quantizer](found[step.inputs[0]])]
        if step.quantizer and self.quantizers[step.quantizer].enabled:
            return [found[step.inputs[0]]]
        operands = [
            entry if not isinstance(entry, str) else self.constant(entry) if entry in self.weights else found[entry]
            for entry in step.inputs
        ]
        try:
            result = get_operator(step.operator, step.name)(*operands, **step.attributes)
        except (RuntimeError, TypeError, QuantizationError) as error:
            raise QuantizationError(f"node {step.name!r} ({step.operator}): {first_line(error)}") from error
        return [result] if isinstance(result, Tensor) else list(result)


def dequantized(value: str) -> str:
    """Return the name of a value of the float file behind its quantizer."""
    return f"{value}_DequantizeLinear_Output"


def read_network(qdq_path: Path, float_path: Path) -> QuantizedNetwork:
    """Return the network of `qdq_path`, made from `float_path` by quantize_onnx, with the float file's weights.

    A weight's grid has the fewest bits that hold its integers. Raises QuantizationError for files that do not belong
    together, and names node and operator where one is not known.
    """
    reader = _Reader(prepared(float_path), QdqFile(load_onnx(qdq_path)))
    return reader.read()


class _Reader:
    def __init__(self, model: Any, qdq: QdqFile) -> None:
        self.graph, self.qdq, self.floats = model.graph, qdq, constants(model)
        self.network = QuantizedNetwork()

    def read(self) -> QuantizedNetwork:
        network = self.network
        network.input, output = self.graph.input[0].name, self.graph.output[0].name
        network.output = self._behind_quantizer(output)
        self._quantize(network.input)
        for node in self.graph.node:
            if node.op_type != "Constant":
                self._add(node)
        network.layers = [layer for step in network.steps if (layer := self._layer(step))]
        return network

    def _add(self, node: Any) -> None:
        get_operator(node.op_type, node_name(node))
        inputs = tuple(self._input(node, index) for index in range(len(node.input)))
        folded = None
        if not self.qdq.has(node):
            if node.output[0] not in self.qdq.scales:
                raise QuantizationError(f"node {node_name(node)!r} is missing in the quantized file; make that anew")
            folded = module_key(self.qdq.scales[node.output[0]][0])
        outputs = tuple(node.output)
        step = Step(node_name(node), node.op_type, inputs, outputs, attributes(node), folded)
        self.network.steps.append(step)
        self._note_bias(step, node)
        for value in outputs:
            self._quantize(value)

    def _input(self, node: Any, index: int) -> Any:
        name = node.input[index]
        if not name:
            return None
        if name not in self.floats:
            return self._behind_quantizer(name)
        array, quantized = self.floats[name], self.qdq.constant(node, index)
        if quantized is None and (array.dtype.kind in "iub" or not array.ndim):
            return array.tolist()
        key = quantized.key if quantized else module_key(name)
        if key not in self.network.weights:
            self.network.weights[key] = nn.Parameter(torch.from_numpy(array.astype(np.float32)))
            if quantized and self.qdq.constants[quantized.integers].dtype != np.int32:
                self.network.quantizers[key] = FakeQuantizer(self._weight_params(quantized))
        return key

    def _note_bias(self, step: Step, node: Any) -> None:
        """Remember whose scales make that of a bias."""
        quantized = self.qdq.constant(node, 2) if len(node.input) > 2 else None
        if quantized and self.qdq.constants[quantized.integers].dtype == np.int32:
            activation = self.network.quantizer_of(step.inputs[0])
            # a layer that stayed float may read a bias that it shares with another
            if activation is not None and step.inputs[1] in self.network.quantizers:
                self.network.bias_scales[step.inputs[2]] = activation, step.inputs[1]

    def _quantize(self, value: str) -> None:
        """Add the quantizer of a value, if it has one."""
        if value not in self.qdq.scales:
            return
        scale, zero_point = (self.qdq.constants[name] for name in self.qdq.scales[value])
        key = module_key(self.qdq.scales[value][0])
        if key not in self.network.quantizers:
            self.network.quantizers[key] = FakeQuantizer(_params(scale, zero_point, None, _activation_grid(zero_point)))
        self.network.steps.append(Step(dequantized(value), QUANTIZE, (value,), (dequantized(value),), quantizer=key))

    def _behind_quantizer(self, value: str) -> str:
        return dequantized(value) if value in self.qdq.scales else value

    def _weight_params(self, constant: QuantizedConstant) -> QuantParams:
        names = constant.integers, constant.scale, constant.zero_point
        integers, scale, zero_point = (self.qdq.constants[name] for name in names)
        return _params(scale, zero_point, constant.axis, _weight_grid(integers, zero_point))

    def _layer(self, step: Step) -> Layer | None:
        if step.operator not in ("Conv", "Gemm", "MatMul") or step.inputs[1] not in self.network.weights:
            return None
        value = step.outputs[0]
        while True:
            readers = [entry for entry in self.network.steps if value in entry.inputs]
            if len(readers) != 1 or readers[0].operator not in (*_ACTIVATIONS, QUANTIZE):
                break
            value = readers[0].outputs[0]
            if readers[0].operator == QUANTIZE:
                break
        is_conv = step.operator == "Conv"
        first_axis = is_conv or step.attributes.get("transB")
        return Layer(
            name=step.name,
            kind="conv" if is_conv else "linear",
            weight=step.inputs[1],
            bias=next(iter(step.inputs[2:3]), None),
            input=step.inputs[0],
            output=step.outputs[0],
            result=value,
            groups=step.attributes.get("group", 1),
            channel_axis=0 if first_axis else 1,
        )


def _params(scale: np.ndarray, zero_point: np.ndarray, axis: int | None, grid: Grid) -> QuantParams:
    return QuantParams(torch.tensor(scale).float(), torch.tensor(zero_point).int(), axis, grid)


def _activation_grid(zero_point: np.ndarray) -> Grid:
    if zero_point.dtype not in (np.uint8, np.int8):
        raise QuantizationError(f"activations of type {zero_point.dtype} are not supported; use 8 bits")
    return Grid(bits=8, signed=zero_point.dtype == np.int8)


def _weight_grid(integers: np.ndarray, zero_point: np.ndarray) -> Grid:
    if integers.dtype == np.uint8 or zero_point.any():
        return Grid(bits=8, signed=integers.dtype == np.int8)
    if integers.dtype != np.int8:
        raise QuantizationError(f"weights of type {integers.dtype} are not supported; use 8 bits")
    largest = int(np.abs(integers.astype(int)).max())
    if not largest or largest > 127:
        return Grid(bits=8, signed=True, symmetric=True, narrow=largest < 128)
    return Grid(bits=max(2, largest.bit_length() + 1), signed=True, symmetric=True, narrow=True)
