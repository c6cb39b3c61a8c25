"""A quantizer as a module, between a tensor and its use, with what training needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_compression.quantization.affine import Grid, QuantParams, choose_params, fake_quantize


class FakeQuantizer(nn.Module):
    """Puts values on a grid and back to float, so that the network computes what the integers will.

    The gradient passes unchanged inside the range (arXiv:1308.3432) and, where `scale.requires_grad`, reaches the scale
    as in LSQ (arXiv:1902.08153, equation 3), without its factor g.

    Attributes:
        scale: float32 parameter, a scalar or [channels]; without gradient unless asked for.
        zero_point: int32 buffer of the same shape.
        grid: the integers; set another and then a range for other bits.
        axis: of the channels; None where one scale serves all.
        enabled: False lets values pass as they are.
        rounding: a module that gets values / scale and returns what they are rounded to, instead of the nearest.
    """

    zero_point: Tensor

    def __init__(self, params: QuantParams) -> None:
        super().__init__()
        self.scale = nn.Parameter(params.scale.detach().clone(), requires_grad=False)
        self.register_buffer("zero_point", params.zero_point.detach().clone())
        self.grid: Grid = params.grid
        self.axis: int | None = params.axis
        self.enabled = True
        self.rounding: nn.Module | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` on the grid, of the same shape."""
        if not self.enabled:
            return values
        if self.rounding is None and not self.scale.requires_grad:
            return fake_quantize(values, self.params())
        scale, zero_point = QuantParams(self.scale, self.zero_point, self.axis, self.grid).expanded(values)
        low, high = self.grid.qmin - zero_point, self.grid.qmax - zero_point
        steps = values * (1 / scale)
        if self.rounding is not None:
            return _clamp(self.rounding(steps), low, high) * scale
        steps = _clamp(steps, low, high)
        return (steps + (steps.round() - steps).detach()) * scale

    def set_range(self, low: Tensor | float, high: Tensor | float) -> None:
        """Choose scale and zero point, in place, for values from `low` to `high`: scalars or [channels]."""
        params = choose_params(low, high, self.grid)
        with torch.no_grad():
            self.scale.copy_(params.scale)
            self.zero_point.copy_(params.zero_point)

    def params(self) -> QuantParams:
        """Return scale, zero point, axis and grid as they are now, without gradient."""
        return QuantParams(self.scale.detach(), self.zero_point, self.axis, self.grid)

    def extra_repr(self) -> str:
        return f"{self.grid}, axis={self.axis}, enabled={self.enabled}"


def _clamp(steps: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return steps.clamp(low.to(steps.dtype), high.to(steps.dtype))
