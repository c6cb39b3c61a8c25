"""Convolutions of several branches that become one (MobileOne, arXiv:2206.04040)."""

from functools import reduce
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.fusion import deployed_state_of_parts, fuse, identity_kernel
from zoo.blocks.layers import (
    Act,
    ConvNormAct,
    DropPath,
    Groups,
    Kernel,
    SeRatio,
    activation,
    conv2d,
    require,
    require_multiple,
    squeeze_excite,
)
from zoo.errors import SpecError

Branches = Annotated[int, Field(ge=1, le=8)]


@BLOCKS.register("mobileone_conv")
class MobileOneConv(nn.Module):
    """Sum of k x k branches, a 1x1 branch and the input, each normalised; then [SE], activation (paper, figure 3).

    Args:
        kernel: odd; there is no 1x1 branch beside 1x1 ones.
        branches: how many of k x k.
        se_ratio: of squeeze-and-excitation with sigmoid gate, 0 = none.
        deployed: one convolution with bias in place of the branches.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        groups: Groups = 1,
        branches: Branches = 1,
        act: Act = "relu",
        se_ratio: SeRatio = 0.0,
        deployed: bool = False,
    ) -> None:
        super().__init__()
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        require_multiple(in_chans, groups, "input channels")
        require_multiple(out_chans, groups, "output channels")
        self.deployed = deployed
        if deployed:
            self.conv = conv2d(in_chans, out_chans, kernel, stride=stride, groups=groups, bias=True)
        else:
            self.identity = nn.BatchNorm2d(in_chans) if stride == 1 and in_chans == out_chans else None
            kernels = [kernel] * branches + ([1] if kernel > 1 else [])
            self.branches = nn.ModuleList(
                ConvNormAct(in_chans, out_chans, side, stride=stride, groups=groups, act="none") for side in kernels
            )
            self.drop_path = nn.Identity() if self.identity is None else DropPath()
        self.se = squeeze_excite(out_chans, se_ratio, gate="sigmoid")
        self.act = activation(act, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.se(self.conv(x) if self.deployed else self._sum(x)))

    def _sum(self, x: Tensor) -> Tensor:
        y = self.drop_path(reduce(torch.add, [branch(x) for branch in self.branches]))
        return y if self.identity is None else y + self.identity(x)

    def deployed_state(self) -> dict[str, Tensor]:
        """Return the state dict of the form with one convolution; raises SpecError where there is none."""
        if self.deployed:
            return self.state_dict()
        conv = self.branches[0].conv
        if conv.same_padding and conv.stride != (1, 1):
            raise SpecError("mobileone: branches of unlike kernels and a stride cannot be fused with padding 'same'")
        branches = [(branch.conv.weight, branch.norm) for branch in self.branches]
        if self.identity is not None:
            branches.append((identity_kernel(conv.weight), self.identity))
        kernel, bias = fuse(branches)
        kept = {name: value for name, value in self.state_dict().items() if name.startswith(("se.", "act."))}
        return {"conv.weight": kernel, "conv.bias": bias, **kept}


@BLOCKS.register("mobileone")
class MobileOne(nn.Module):
    """A depthwise k x k and a pointwise convolution, each of several branches while it is trained (paper, figure 3).

    Args:
        kernel: of the depthwise convolution, odd.
        branches: how many k x k and how many 1x1 branches are trained.
        se_ratio: of squeeze-and-excitation after both convolutions, 0 = none.
        deployed: one convolution with bias in place of each sum of branches.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        branches: Branches = 1,
        act: Act = "relu",
        se_ratio: SeRatio = 0.0,
        deployed: bool = False,
    ) -> None:
        super().__init__()
        both = {"branches": branches, "act": act, "se_ratio": se_ratio, "deployed": deployed}
        self.dw = MobileOneConv(in_chans, in_chans, stride=stride, kernel=kernel, groups=in_chans, **both)
        self.pw = MobileOneConv(in_chans, out_chans, kernel=1, **both)

    def forward(self, x: Tensor) -> Tensor:
        return self.pw(self.dw(x))

    def deployed_state(self) -> dict[str, Tensor]:
        """Return the state dict of the deployed form."""
        return deployed_state_of_parts(self)
