"""Learned group convolution (CondenseNet, Huang et al., arXiv:1711.09224, section 3.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.blocks.layers import Conv2d, require_multiple

LASSO = 1e-5


def masked_layer(x: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor) -> Tensor:
    """Apply a 1x1 convolution or a linear layer where output k sees the inputs in row k mod G of `mask` (G, inputs)."""
    weight = weight * mask.repeat(len(weight) // len(mask), 1).view_as(weight)
    return F.conv2d(x, weight, bias) if weight.ndim == 4 else F.linear(x, weight, bias)


torch.fx.wrap("masked_layer")  # one call with the weights in it: symbolic tracing would freeze their product


class LearnedGroups(nn.Module):
    """What makes a layer learn its groups, to stand before the layer's own class among the bases.

    Output k belongs to group k mod G. While training goes through its first half, each group loses C - 1 times
    1/C of its inputs, those whose weights have the smallest sum of magnitudes; it trains on with the last 1/C.

    Attributes:
        mask: bool (G, inputs), what each group still sees.
        condense_factor: C.
        lasso: weight of the group lasso in the loss; the authors leave theirs to the user.
    """

    weight: Tensor
    bias: Tensor | None
    mask: Tensor

    def _init_groups(self, groups: int, condense_factor: int, lasso: float) -> None:
        out_chans, in_chans = self.weight.shape[:2]
        require_multiple(out_chans, groups, "output channels")
        require_multiple(in_chans, condense_factor, "input channels")
        self.condense_factor, self.lasso = condense_factor, lasso
        self.register_buffer("mask", torch.ones(groups, in_chans, dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        return masked_layer(x, self.weight, self.bias, self.mask)

    @property
    def condensed(self) -> bool:
        """Whether every group is down to 1/C of the inputs."""
        return int(self.mask.sum()) * self.condense_factor == self.mask.numel()

    def training_progress(self, progress: float) -> None:
        """Drop the inputs that are due when `progress` (0..1) of the training is over."""
        drops = self.condense_factor - 1
        due = min(int(2 * progress * drops), drops)
        self.mask.copy_(self._strongest(self.condense_factor - due))

    def penalty(self) -> Tensor:
        """Return the weighted group lasso of what is left, 0 once the layer is condensed (equation 2)."""
        if self.condensed:
            return self.weight.new_zeros(())
        squares = (self._by_group().square().sum(1) * self.mask).clamp(min=1e-12)  # no infinite slope at zero
        return self.lasso * squares.sqrt().sum()

    def kept_inputs(self) -> Tensor:
        """Return the inputs (G, inputs / C) of the shipped group convolution, ascending.

        Of a group that is not condensed yet the strongest are taken: its outputs change.
        """
        return self._strongest(1).nonzero()[:, 1].view(len(self.mask), -1)

    def kept_weight(self) -> Tensor:
        """Return the weight (outputs, inputs / C, ...) of the shipped group convolution, group after group."""
        weight = self._by_group()
        index = self.kept_inputs()[:, None].expand(-1, weight.shape[1], -1)
        return weight.gather(2, index).reshape(len(self.weight), -1, *self.weight.shape[2:])

    def _by_group(self) -> Tensor:
        """Return the weight as (G, outputs / G, inputs)."""
        groups, inputs = self.mask.shape
        return self.weight.view(-1, groups, inputs).transpose(0, 1)

    @torch.no_grad()
    def _strongest(self, parts: int) -> Tensor:
        """Return the mask that keeps `parts` / C of the inputs; one that is gone does not come back."""
        norms = self._by_group().abs().sum(1).masked_fill(~self.mask, -1)
        best = norms.topk(self.mask.shape[1] // self.condense_factor * parts, 1).indices
        return torch.zeros_like(self.mask).scatter(1, best, True) & self.mask


class LearnedGroupConv2d(LearnedGroups, Conv2d):
    """A 1x1 convolution that becomes a group convolution: (N, in_chans, H, W) -> (N, out_chans, H, W).

    Args:
        groups: G; must divide `out_chans`.
        condense_factor: C; must divide `in_chans`.
    """

    def __init__(
        self, in_chans: int, out_chans: int, *, groups: int = 4, condense_factor: int = 4, lasso: float = LASSO
    ) -> None:
        super().__init__(in_chans, out_chans, 1, bias=False)
        self._init_groups(groups, condense_factor, lasso)


class CondensingLinear(LearnedGroups, nn.Linear):
    """A linear layer that ends with 1/`condense_factor` of its inputs: (N, in_chans) -> (N, out_chans)."""

    def __init__(self, in_chans: int, out_chans: int, *, condense_factor: int = 2, lasso: float = LASSO) -> None:
        super().__init__(in_chans, out_chans)
        self._init_groups(1, condense_factor, lasso)


class CondensedLinear(nn.Module):
    """The shipped form of `CondensingLinear`: a linear layer on the inputs in `index`."""

    index: Tensor

    def __init__(self, in_chans: int, out_chans: int, *, condense_factor: int = 2) -> None:
        super().__init__()
        require_multiple(in_chans, condense_factor, "input channels")
        self.register_buffer("index", torch.arange(in_chans // condense_factor))
        self.linear = nn.Linear(in_chans // condense_factor, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.index_select(1, self.index))
