"""ONNX operators as torch functions: what is needed to run a float file of the zoo in torch, with gradients.

A function gets the node's inputs in order (tensors; whole numbers and scalars that are constant come as lists and
numbers, inputs that are left out as None) and its attributes by name, as ONNX describes the operator in opset 17.
A new operator is one function here with `@_operator("Name")`. Files are exported for one image; all here work on any
batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from model_compression.errors import QuantizationError

Operator = Callable[..., Tensor | Sequence[Tensor]]
_OPERATORS: dict[str, Operator] = {}


def _operator(name: str) -> Callable[[Operator], Operator]:
    def add(function: Operator) -> Operator:
        _OPERATORS[name] = function
        return function

    return add


def get_operator(name: str, node: str) -> Operator:
    """Return the function for the ONNX operator `name`; raises QuantizationError that names the `node` using it."""
    if name not in _OPERATORS:
        raise QuantizationError(
            f"node {node!r} is a {name}, which quantization in torch does not know; add it to quantization/operators.py"
        )
    return _OPERATORS[name]


_OPERATORS |= {
    "Abs": torch.abs,
    "Add": torch.add,
    "Div": torch.div,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Identity": lambda x: x,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "MatMul": torch.matmul,
    "HardSwish": F.hardswish,
}


def _both_ends(x: Tensor, pads: Sequence[int] | None) -> tuple[Tensor, list[int]]:
    """Return symmetric padding for torch, and `x` padded where the two ends differ."""
    pads = list(pads or [0] * (2 * (x.ndim - 2)))
    half = len(pads) // 2
    if pads[:half] == pads[half:]:
        return x, pads[:half]
    ends = [end for axis in reversed(range(half)) for end in (pads[axis], pads[half + axis])]
    return F.pad(x, ends), [0] * half


def _no_auto_pad(auto_pad: str) -> None:
    if auto_pad not in ("NOTSET", "VALID"):
        raise QuantizationError(f"auto_pad={auto_pad} is not supported")


@_operator("Conv")
def _conv(x, weight, bias=None, *, strides=1, pads=None, dilations=1, group=1, auto_pad="NOTSET", **_: Any) -> Tensor:
    _no_auto_pad(auto_pad)
    x, padding = _both_ends(x, pads)
    conv = {3: F.conv1d, 4: F.conv2d}[x.ndim]
    return conv(x, weight, bias, strides, padding, dilations, group)


@_operator("Gemm")
def _gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0) -> Tensor:
    a, b = a.T if transA else a, b if transB else b.T
    if alpha == beta == 1:
        return F.linear(a, b, c)
    return alpha * F.linear(a, b) + (0 if c is None else beta * c)


@_operator("Clip")
def _clip(x, low=None, high=None) -> Tensor:
    return x.clamp(low, high)


@_operator("LeakyRelu")
def _leaky_relu(x, *, alpha=0.01) -> Tensor:
    return F.leaky_relu(x, alpha)


@_operator("PRelu")
def _prelu(x, slope) -> Tensor:
    return torch.where(x < 0, slope * x, x)


@_operator("HardSigmoid")
def _hard_sigmoid(x, *, alpha=0.2, beta=0.5) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


@_operator("Softmax")
def _softmax(x, *, axis=-1) -> Tensor:
    return x.softmax(axis)


@_operator("GlobalAveragePool")
def _global_average_pool(x) -> Tensor:
    return x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)


@_operator("AveragePool")
def _average_pool(x, *, kernel_shape, strides=None, pads=None, ceil_mode=0, count_include_pad=0, auto_pad="NOTSET"):
    _no_auto_pad(auto_pad)
    if count_include_pad:
        x, pads = _both_ends(x, pads)
    else:
        pads = _same_ends(pads, len(kernel_shape))
    return F.avg_pool2d(x, kernel_shape, strides or 1, pads, bool(ceil_mode), bool(count_include_pad))


@_operator("MaxPool")
def _max_pool(x, *, kernel_shape, strides=None, pads=None, dilations=1, ceil_mode=0, auto_pad="NOTSET", **_: Any):
    _no_auto_pad(auto_pad)
    pads = _same_ends(pads, len(kernel_shape))
    return F.max_pool2d(x, kernel_shape, strides or 1, pads, dilations, bool(ceil_mode))


def _same_ends(pads: Sequence[int] | None, axes: int) -> list[int]:
    pads = list(pads or [0] * (2 * axes))
    if pads[:axes] != pads[axes:]:
        raise QuantizationError(f"a pool with padding {pads}, not the same at both ends, is not supported")
    return pads[:axes]


@_operator("ReduceMean")
def _reduce_mean(x, axes=None, *, keepdims=1, **attributes: Any) -> Tensor:
    axes = attributes.get("axes", axes) or list(range(x.ndim))
    return x.mean(dim=axes, keepdim=bool(keepdims))


@_operator("Flatten")
def _flatten(x, *, axis=1) -> Tensor:
    return x.flatten(axis) if axis else x.reshape(1, -1)


@_operator("Reshape")
def _reshape(x, shape, **_: Any) -> Tensor:
    sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    if sizes[0] == 1:  # the one image that the file was exported for
        sizes[0] = len(x)
    return x.reshape(sizes)


@_operator("Transpose")
def _transpose(x, *, perm=None) -> Tensor:
    return x.permute(perm or tuple(reversed(range(x.ndim))))


@_operator("Concat")
def _concat(*tensors: Tensor, axis: int) -> Tensor:
    return torch.cat(tensors, dim=axis)


@_operator("Split")
def _split(x, sizes=None, *, axis=0, num_outputs=None) -> Sequence[Tensor]:
    if sizes is None:
        raise QuantizationError("a Split without sizes is not supported")
    return x.split(sizes, dim=axis)


@_operator("Slice")
def _slice(x, starts, ends, axes=None, steps=None) -> Tensor:
    axes = list(range(len(starts))) if axes is None else axes
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        if step < 0:
            raise QuantizationError("a Slice that runs backwards is not supported")
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]
    return x


@_operator("Gather")
def _gather(x, index, *, axis=0) -> Tensor:
    index = torch.as_tensor(index, device=x.device)
    if index.ndim == 0:
        return x.select(axis, int(index))
    return x.index_select(axis, index)


@_operator("Pad")
def _pad(x, pads, value=None, axes=None, *, mode="constant") -> Tensor:
    half = len(pads) // 2
    axes = list(range(half)) if axes is None else [axis % x.ndim for axis in axes]
    ends = [0] * (2 * x.ndim)
    for position, axis in enumerate(axes):
        place = 2 * (x.ndim - 1 - axis)
        ends[place : place + 2] = pads[position], pads[half + position]
    while len(ends) > 2 and ends[-2:] == [0, 0]:  # reflection wants no more axes than are padded
        ends = ends[:-2]
    return F.pad(x, ends, mode={"edge": "replicate"}.get(mode, mode), value=value if mode == "constant" else None)


@_operator("Squeeze")
def _squeeze(x, axes=None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@_operator("Unsqueeze")
def _unsqueeze(x, axes) -> Tensor:
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


@_operator("BatchNormalization")
def _batch_norm(x, scale, bias, mean, variance, *, epsilon=1e-5, **_: Any) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, eps=epsilon)
