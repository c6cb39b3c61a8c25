"""Dynamic Shift-Max, the activation of MicroNet (Li et al., arXiv:2108.05894, section 4), as in the authors' code."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from zoo.blocks.layers import activation, conv2d, make_divisible, require_multiple

Fusion = tuple[float, float]


class DynamicShiftMax(nn.Module):
    """max over k of a_k * x + b_k * shift(x), with a_k and b_k of each channel computed from the image; (N, C, H, W).

    shift(x) holds, in the place of each channel, the next channel of the next group, both counted round and round.
    A coefficient is its start plus 4 (hard_sigmoid(fc(mean(x))) - 0.5), hence at most 2 away from it.

    Args:
        groups: of the shift; must divide `chans`.
        reduction: channels over the hidden channels of the two layers that compute the coefficients.
        starts: of (a_k, b_k), one pair for each k; a single pair leaves a dynamic fusion without a maximum.
    """

    def __init__(
        self, chans: int, groups: int, *, reduction: int = 8, starts: Sequence[Fusion] = ((1.0, 0.0), (1.0, 0.0))
    ) -> None:
        super().__init__()
        require_multiple(chans, groups, "channels")
        self.chans, self.starts = chans, tuple(starts)
        squeezed = make_divisible(chans // reduction, 4)
        self.fc = nn.Sequential(
            conv2d(chans, squeezed, bias=True),
            activation("relu"),
            conv2d(squeezed, 2 * len(self.starts) * chans, bias=True),
            activation("hard_sigmoid"),
        )
        index = torch.arange(chans).view(groups, -1).roll((-1, -1), (0, 1)).flatten()
        self.register_buffer("index", index)

    def init_weights(self) -> None:
        for layer in (self.fc[0], self.fc[2]):
            nn.init.normal_(layer.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        shifted = x.index_select(1, self.index)
        moves = 4 * (self.fc(x.mean((2, 3), keepdim=True)) - 0.5)
        moves = moves.unflatten(1, (2 * len(self.starts), self.chans))  # a_1, b_1, a_2, b_2
        fusions = [
            (a + moves[:, 2 * k]) * x + (b + moves[:, 2 * k + 1]) * shifted for k, (a, b) in enumerate(self.starts)
        ]
        return reduce(torch.maximum, fusions)
