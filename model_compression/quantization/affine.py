"""Affine quantization of tensors: the survey's Algorithm 1, with its equations 1 to 5 made complete.

    S  = (Rmax - Rmin) / (Qmax - Qmin)          scale
    Z  = clamp(round(Qmin - Rmin / S))          zero point, the integer that stands for 0.0
    Q  = clamp(round(R / S) + Z)                quantize
    R' = (Q - Z) * S                            dequantize

where clamp is to [Qmin, Qmax]. The survey leaves out every round and clamp, and prints its equation 2 once more as
equation 5. Rounding is half to even, as in torch and onnxruntime; the range is first widened to contain 0, and so
0.0 becomes exactly Z.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.methods import method


@dataclass(frozen=True)
class Grid:
    """The integers that stand for real numbers.

    Attributes:
        bits: 2 to 8.
        signed: from -2^(bits-1) instead of from 0.
        symmetric: the range is the same on both sides of 0, so that the zero point is the middle of the grid.
        narrow: without the lowest integer of a signed grid, as weights often are: -127 to 127.

    Raises QuantizationError for other bits, and for a narrow grid that is not signed.
    """

    bits: int = 8
    signed: bool = False
    symmetric: bool = False
    narrow: bool = False

    def __post_init__(self) -> None:
        if type(self.bits) is not int or not 2 <= self.bits <= 8:
            raise QuantizationError(f"bits are a whole number from 2 to 8, not {self.bits!r}")
        if self.narrow and not self.signed:
            raise QuantizationError("a narrow grid is signed; give signed=True or leave out narrow")

    @property
    def qmin(self) -> int:
        return -(2 ** (self.bits - 1)) + self.narrow if self.signed else 0

    @property
    def qmax(self) -> int:
        return 2 ** (self.bits - self.signed) - 1


@dataclass(frozen=True)
class QuantParams:
    """How a tensor is put on a grid.

    Attributes:
        scale: float32, what one step of the grid is worth; a scalar, or one value per channel.
        zero_point: int32, of the same shape; the integer for 0.0.
        axis: which axis of the tensor the channels are; None where one scale serves the whole tensor.
        grid: the integers.
    """

    scale: Tensor
    zero_point: Tensor
    axis: int | None
    grid: Grid

    def expanded(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and zero point on the device of `like`, shaped to be computed with it."""
        shape = [1] * like.ndim
        if self.axis is not None:
            shape[self.axis] = -1
        return self.scale.to(like.device).reshape(shape), self.zero_point.to(like.device).reshape(shape)


def choose_params(low: Tensor | float, high: Tensor | float, grid: Grid, *, axis: int = 0) -> QuantParams:
    """Return scale and zero point for values from `low` to `high`: equations 1 and 2, the same as onnxruntime's.

    Scalars are for a whole tensor; tensors [channels] for the channels on `axis`. A range that is too small for a
    float32 scale (a channel of zeros) gets scale 1 and zero point 0. Raises QuantizationError for bounds that are
    not finite, of different or higher shapes, or the wrong way round.
    """
    low, high = (torch.as_tensor(bound, dtype=torch.float32).detach() for bound in (low, high))
    if low.shape != high.shape or low.ndim > 1:
        raise QuantizationError(f"bounds are two scalars or two [channels], not {[*low.shape]} and {[*high.shape]}")
    if not (low.isfinite().all() and high.isfinite().all()):
        raise QuantizationError("a range to quantize is NaN or infinite; look for such values in the network")
    if (low > high).any():
        raise QuantizationError("a range to quantize has its low bound above its high one")
    # in float64, where the width of a finite float32 range cannot overflow
    low, high = low.double().clamp(max=0), high.double().clamp(min=0)
    if grid.symmetric:
        high = torch.maximum(-low, high)
        low = -high
    scale = (high - low) / (grid.qmax - grid.qmin)
    if grid.symmetric:  # equation 2, said without the scale: it is the same in every channel
        zero_point = torch.full_like(low, round((grid.qmin + grid.qmax) / 2))
    else:
        zero_point = (grid.qmin - low / scale).round().clamp(grid.qmin, grid.qmax)
    tiny = scale < torch.finfo(torch.float32).tiny
    scale, zero_point = scale.masked_fill(tiny, 1), zero_point.masked_fill(tiny, 0)
    return QuantParams(scale.float(), zero_point.int(), axis if low.ndim else None, grid)


@method("affine-quantization", "quantization", paper="arXiv:1712.05877")
def quantize(values: Tensor, params: QuantParams) -> Tensor:
    """Return the integers for float32 `values`, int8 or uint8: equation 3.

    As in torch, values are multiplied by 1 / scale; a runtime that divides can differ by one step where a value lies
    half-way between two.
    """
    scale, zero_point = params.expanded(values)
    integers = (values * (1 / scale)).round() + zero_point
    return integers.clamp(params.grid.qmin, params.grid.qmax).to(torch.int8 if params.grid.signed else torch.uint8)


def dequantize(integers: Tensor, params: QuantParams) -> Tensor:
    """Return the float32 values that `integers` stand for: equation 4."""
    scale, zero_point = params.expanded(integers)
    return (integers.int() - zero_point) * scale


def fake_quantize(values: Tensor, params: QuantParams) -> Tensor:
    """Return `values` quantized and dequantized, with the straight-through gradient.

    The gradient (Bengio et al., arXiv:1308.3432) passes unchanged inside the range and is 0 outside. torch's fused
    operators compute it; they want values of less than 2^63 steps. Where no gradient is wanted, plain arithmetic gives
    the same numbers in a fifth of the time.
    """
    if not (torch.is_grad_enabled() and values.requires_grad):
        scale, zero_point = params.expanded(values)
        steps = (values * (1 / scale)).round_().add_(zero_point).clamp_(params.grid.qmin, params.grid.qmax)
        return steps.sub_(zero_point).mul_(scale)
    scale, zero_point, grid = params.scale.to(values.device), params.zero_point.to(values.device), params.grid
    if params.axis is None:
        return torch.fake_quantize_per_tensor_affine(values, scale, zero_point, grid.qmin, grid.qmax)
    axis = params.axis % values.ndim
    return torch.fake_quantize_per_channel_affine(values, scale, zero_point, axis, grid.qmin, grid.qmax)
