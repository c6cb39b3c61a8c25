"""Learned rounding: modules that stand in for round() in a FakeQuantizer.

Both take values / scale and return what they are rounded to; the quantizer clamps to its grid and multiplies by the
scale. When learning is over, `hard` makes them return whole numbers alone.
"""

import math

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

    def __init__(self, values: Tensor) -> None:
        """Start from `values`, the weights divided by their scale."""
        super().__init__()
        below = values.detach().floor()
        rest = values.detach() - below
        self.register_buffer("below", below)
        self.logits = nn.Parameter(-torch.log((ZETA - GAMMA) / (rest - GAMMA) - 1))
        self.hard = False

    def up(self) -> Tensor:
        """Return h(V), how far each weight is rounded up: 0 to 1 (equation 23)."""
        up = (torch.sigmoid(self.logits) * (ZETA - GAMMA) + GAMMA).clamp(0, 1)
        return (up >= 0.5).to(up.dtype) if self.hard else up

    def forward(self, values: Tensor) -> Tensor:
        return self.below + self.up()

    def penalty(self, beta: float) -> Tensor:
        """Return the mean of 1 - |2 h(V) - 1|^beta over the weights, 0 where all are decided (equation 24)."""
        return 1 - (2 * self.up() - 1).abs().pow(beta).mean()


class AdaQuant(nn.Module):
    """Rounds each weight after a learned shift, which may be of any size (Hubara et al., arXiv:2006.10518, eq. 2).

    Attributes:
        shift: V divided by the scale; the gradient passes straight through the rounding.
    """

    def __init__(self, values: Tensor) -> None:
        """Start from `values`, the weights divided by their scale, without a shift."""
        super().__init__()
        self.shift = nn.Parameter(torch.zeros_like(values))

    def forward(self, values: Tensor) -> Tensor:
        shifted = values + self.shift
        return shifted + (shifted.detach().round() - shifted.detach())


def beta_at(progress: float, *, warm_up: float = 0.2, start: float = 20.0, end: float = 2.0) -> float | None:
    """Return the penalty's exponent when `progress` (0..1) is done: none during `warm_up`, then falling by a cosine."""
    if progress < warm_up:
        return None
    share = (progress - warm_up) / (1 - warm_up)
    return end + (start - end) * 0.5 * (1 + math.cos(share * math.pi))
