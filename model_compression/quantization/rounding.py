"""Learned rounding: modules that stand in for round() in a FakeQuantizer.

All take values / scale and return what they are rounded to; the quantizer clamps to its grid and multiplies by the
scale. When learning is over, `hard` makes them return whole numbers alone.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

# the rectified sigmoid reaches 0 and 1: arXiv:2004.10568, below equation 23
ZETA, GAMMA = 1.1, -0.1


class AdaRound(nn.Module):
    """Rounds each weight down or up, as learned (Nagel et al., arXiv:2004.10568, equations 21 to 24).

    Attributes:
        logits: V, one per weight; starts where the weight lies between its two neighbours.
        hard: whether h(V) is rounded to 0 or 1.
    """

    below: Tensor

    def __init__(self, values: Tensor, low: float = -math.inf, high: float = math.inf) -> None:
        """Start from `values`, the weights divided by their scale; both neighbours lie in `low` to `high`."""
        super().__init__()
        values = values.detach().clamp(low, high)
        below = values.floor().clamp(max=high - 1)
        self.register_buffer("below", below)
        self.logits = nn.Parameter(-torch.log((ZETA - GAMMA) / (values - below - GAMMA) - 1))
        self.hard = False

    def up(self) -> Tensor:
        """Return h(V), how far each weight is rounded up: 0 to 1 (equation 23)."""
        up = (torch.sigmoid(self.logits) * (ZETA - GAMMA) + GAMMA).clamp(0, 1)
        return (up >= 0.5).to(up.dtype) if self.hard else up

    def forward(self, values: Tensor | None = None) -> Tensor:
        """Return the numbers that are rounded to; they do not depend on `values` any more."""
        return self.below + self.up()


class AdaQuant(nn.Module):
    """Rounds each weight after a learned shift, which may be of any size (Hubara et al., arXiv:2006.10518, eq. 2).

    Attributes:
        shift: V divided by the scale; the gradient passes straight through the rounding.
        hard: leaves the result as it is, which is always whole.
    """

    def __init__(self, values: Tensor, low: float = -math.inf, high: float = math.inf) -> None:
        """Start from `values`, the weights divided by their scale, without a shift."""
        super().__init__()
        self.shift = nn.Parameter(torch.zeros_like(values))
        self.hard = False

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` shifted and rounded."""
        shifted = values + self.shift
        return shifted + (shifted.detach().round() - shifted.detach())


def undecided(up: Tensor, beta: float) -> Tensor:
    """Return the mean of 1 - |2 h(V) - 1|^beta, 0 where all weights are rounded down or up (equation 24)."""
    return _Undecided.apply(up, beta)


class _Undecided(torch.autograd.Function):
    """Computes value and gradient with one power, the dearest operation of a step."""

    @staticmethod
    def forward(ctx: Any, up: Tensor, beta: float) -> Tensor:
        decided = up * 2 - 1
        size = decided.abs()
        power = size.pow(beta - 1)
        ctx.save_for_backward(power.copysign(decided))
        ctx.factor = -2 * beta / up.numel()
        return 1 - (power * size).mean()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (signed,) = ctx.saved_tensors
        return signed * (gradient * ctx.factor), None


def beta_at(progress: float, *, warm_up: float = 0.2, start: float = 20.0, end: float = 2.0) -> float | None:
    """Return the exponent of `undecided` when `progress` (0..1) is done: none in `warm_up`, then it falls."""
    if progress < warm_up:
        return None
    share = (progress - warm_up) / (1 - warm_up)
    return end + (start - end) * 0.5 * (1 + math.cos(share * math.pi))
