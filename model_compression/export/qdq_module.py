"""A quantized ONNX file as a torch module that computes with the file's own integers, for exporters to follow.

Where the file has QuantizeLinear and DequantizeLinear, an exported program has the operators that PyTorch's quantizer
leaves (`torch.ops.quantized_decomposed`), with the scales and zero points of the file, and its integer weights as
buffers: backends recognize their int8 kernels in them.
"""

from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # defines the operators
from onnx import NodeProto
from torch import Tensor, nn

from latency_tables.node_names import module_path
from model_compression.errors import QuantizationError
from model_compression.quantization.onnx_graph import (
    DEQUANTIZE,
    QUANTIZE,
    attributes,
    constants,
    load_onnx,
    module_key,
    node_name,
)
from model_compression.quantization.operators import get_operator

_DECOMPOSED = torch.ops.quantized_decomposed
_TYPES = {np.dtype(np.uint8): torch.uint8, np.dtype(np.int8): torch.int8}
_WEIGHTED = ("Conv", "Gemm", "MatMul")


class ValueParams(NamedTuple):
    """How an activation is quantized: as the five last arguments of `quantized_decomposed.quantize_per_tensor`."""

    scale: float
    zero_point: int
    low: int
    high: int
    dtype: torch.dtype


class QuantizedConstant(nn.Module):
    """Integer weights with a scale for each channel, or one; gives them back in float.

    Attributes:
        integers: int8.
        scale: float32 [channels].
        zero_point: int64 [channels].
    """

    integers: Tensor
    scale: Tensor
    zero_point: Tensor

    def __init__(self, integers: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int) -> None:
        super().__init__()
        count = integers.shape[axis]
        self.axis, limits = axis, np.iinfo(integers.dtype)
        self._range = int(limits.min), int(limits.max), _TYPES[integers.dtype]
        self.register_buffer("integers", torch.from_numpy(integers.copy()))
        self.register_buffer("scale", torch.from_numpy(np.broadcast_to(scale, count).astype(np.float32)))
        self.register_buffer("zero_point", torch.from_numpy(np.broadcast_to(zero_point, count).astype(np.int64)))

    def forward(self) -> Tensor:
        """Return the float32 weights."""
        return _DECOMPOSED.dequantize_per_channel(self.integers, self.scale, self.zero_point, self.axis, *self._range)


class Node(nn.Module):
    """An operator of the file with the constants that it reads; called with its other inputs, in order.

    Attributes:
        name: of the node in the file.
        kind: the ONNX operator.
        reads, results: names of values.
        weight: quantized weights of a convolution or linear layer.
    """

    def __init__(self, node: NodeProto, operands: list[Any]) -> None:
        super().__init__()
        self.name, self.kind = node_name(node), node.op_type
        self._operator, self._attributes = get_operator(self.kind, self.name), attributes(node)
        self.reads: list[str] = []
        self.results = list(node.output)
        self._operands: list[Any] = []
        self.weight: QuantizedConstant | None = None
        for position, operand in enumerate(operands):
            if isinstance(operand, _Value):
                self.reads.append(operand.name)
            elif isinstance(operand, QuantizedConstant) and node.op_type in _WEIGHTED:
                self.weight = operand
            elif isinstance(operand, Tensor | QuantizedConstant):
                name = f"constant_{position}"
                (self.add_module if isinstance(operand, nn.Module) else self.register_buffer)(name, operand)
                operand = _Own(name)
            self._operands.append(operand)

    def forward(self, *values: Tensor) -> Any:
        """Return the operator's result, or all where it has several."""
        remaining = iter(values)
        return self._operator(*(self._operand(entry, remaining) for entry in self._operands), **self._attributes)

    def _operand(self, entry: Any, values: Any) -> Any:
        if isinstance(entry, _Value):
            return next(values)
        if isinstance(entry, _Own):
            entry = getattr(self, entry.name)
        return entry() if isinstance(entry, QuantizedConstant) else entry


class _Value(NamedTuple):
    name: str


class _Own(NamedTuple):
    name: str


class QdqModule(nn.Module):
    """The network of a quantized file.

    Args:
        signed: activations as int8, their zero points 128 lower, where the file has uint8: the same numbers.

    Attributes:
        quantized: parameters of each quantized value, by its name in the file.
        input, output: names of the first and the last value.

    A convolution or linear layer lies at the module path that it was exported from.

    Raises QuantizationError where the file cannot be read, or for an operator that torch has no form of here.
    """

    def __init__(self, path: Path, *, signed: bool = False) -> None:
        super().__init__()
        self._signed, model = signed, load_onnx(path)
        self._constants, self.quantized = constants(model), dict[str, ValueParams]()
        self._names: dict[str, str] = {}  # of float values behind a quantizer: that of the integers
        self._float: dict[str, Any] = {}
        self._order: list[str | tuple[str, str]] = []
        self.input, self.output = model.graph.input[0].name, model.graph.output[0].name
        for node in model.graph.node:
            self._add(node)
        del self._constants, self._float

    def forward(self, images: Tensor) -> Tensor:
        """Return scores [N, classes] of images [N, C, H, W]."""
        values = {self.input: images}
        for entry in self._order:
            if isinstance(entry, tuple):
                source, integers = entry
                values[integers] = _DECOMPOSED.quantize_per_tensor(
                    self._read(source, values), *self.quantized[integers]
                )
                continue
            node = cast(Node, self.get_submodule(entry))
            found = node(*(self._read(name, values) for name in node.reads))
            values |= zip(node.results, [found] if isinstance(found, Tensor) else found, strict=True)
        return self._read(self.output, values)

    def nodes(self) -> list[Node]:
        """Return the operators in order."""
        return [cast(Node, self.get_submodule(entry)) for entry in self._order if isinstance(entry, str)]

    def params_read(self, node: Node) -> list[ValueParams | None]:
        """Return how each value that a node reads is quantized; None for a float one."""
        return [self.quantized[self._names[name]] if name in self._names else None for name in node.reads]

    def params_of(self, value: str) -> ValueParams | None:
        """Return how a float value is quantized next; None where it is not."""
        found = (entry[1] for entry in self._order if isinstance(entry, tuple) and entry[0] == value)
        return next((self.quantized[integers] for integers in found), None)

    def _read(self, name: str, values: dict[str, Tensor]) -> Tensor:
        # each reader dequantizes for itself: backends take the step into the reader's kernel
        if name in self._names:
            integers = self._names[name]
            return _DECOMPOSED.dequantize_per_tensor(values[integers], *self.quantized[integers])
        return values[name]

    def _add(self, node: NodeProto) -> None:
        if node.op_type == "Constant":
            return
        if node.op_type == QUANTIZE:
            self.quantized[node.output[0]] = self._params(*node.input[1:3])
            self._order.append((node.input[0], node.output[0]))
        elif node.op_type == DEQUANTIZE and node.input[0] in self._constants:
            self._float[node.output[0]] = self._quantized_constant(node)
        elif node.op_type == DEQUANTIZE:
            self._names[node.output[0]] = node.input[0]
        else:
            added = Node(node, [self._operand(name) for name in node.input])
            self._order.append(self._place(added))

    def _operand(self, name: str) -> Any:
        if not name:
            return None
        if name in self._float:
            return self._float[name]
        if name not in self._constants:
            return _Value(name)
        array = self._constants[name]
        if array.dtype.kind in "iub" or not array.ndim:
            return array.tolist()
        return torch.from_numpy(array.astype(np.float32))

    def _quantized_constant(self, node: NodeProto) -> QuantizedConstant | Tensor:
        integers, scale, zero_point = (self._constants[name] for name in node.input)
        if integers.dtype == np.int32:  # of biases: backends make them anew, from the two scales
            return torch.from_numpy(integers.astype(np.float32) * scale)
        return QuantizedConstant(integers, scale, zero_point, attributes(node).get("axis", 1) if scale.ndim else 0)

    def _params(self, scale: str, zero_point: str) -> ValueParams:
        zero = self._constants[zero_point]
        if zero.dtype not in _TYPES:
            raise QuantizationError(f"{zero_point}: activations of type {zero.dtype} are not supported; use 8 bits")
        shift, dtype = (128, torch.int8) if self._signed and zero.dtype == np.uint8 else (0, _TYPES[zero.dtype])
        limits = np.iinfo(zero.dtype)
        low, high = int(limits.min) - shift, int(limits.max) - shift
        return ValueParams(float(self._constants[scale]), int(zero) - shift, low, high, dtype)

    def _place(self, node: Node) -> str:
        """Add a node as a submodule and return its path: that of the network's own module, where it was named so."""
        path = module_path(node.name) if node.kind in _WEIGHTED else ""
        *parents, name = (path or module_key(f"node {len(self._order)}").replace(" ", "_")).split(".")
        parent: nn.Module = self
        for part in parents:
            if not hasattr(parent, part):
                parent.add_module(part, nn.Module())
            parent = parent.get_submodule(part)
        if hasattr(parent, name):
            parent, parents, name = self, [], f"node_{len(self._order)}"
        parent.add_module(name, node)
        return ".".join([*parents, name])
