"""Interleaved group convolutions: IGCV1 (arXiv:1707.02725), IGCV2 (arXiv:1804.06202), IGCV3 (arXiv:1806.00178).

All make one dense convolution out of several sparse ones: group convolutions with shuffles in between, so that every
output channel sees every input channel (the complementary condition of the papers).
"""

from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    ConvNormAct,
    Dilation,
    DropPath,
    Groups,
    Kernel,
    Ratio,
    activation,
    channel_shuffle,
    conv2d,
    depthwise,
    make_divisible,
    pointwise,
    require,
    require_multiple,
)


class InterleavedConv(nn.Module):
    """Group k x k convolution of `primary` groups, shuffle, group 1x1, shuffle back, batch norm (IGCV1, figure 1).

    Each group of the 1x1 convolution takes one channel from every primary group, so there are
    `out_chans` / `primary` of them.
    """

    def __init__(
        self, in_chans: int, out_chans: int, kernel: int, *, primary: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.groups = (primary, out_chans // primary)
        self.primary = conv2d(in_chans, out_chans, kernel, stride=stride, dilation=dilation, groups=primary)
        self.secondary = conv2d(out_chans, out_chans, groups=out_chans // primary)
        self.norm = nn.BatchNorm2d(out_chans)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.groups
        y = channel_shuffle(self.primary(x), first)
        return self.norm(channel_shuffle(self.secondary(y), second))


@BLOCKS.register("igc_v1")
class IgcV1(nn.Module):
    """Residual unit of two interleaved group convolutions; a 1x1 group projection where the shape changes.

    Args:
        primary: groups of the k x k convolutions and of the projection (L in the paper); must divide the channels.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        primary: Groups = 4,
        act: Act = "relu",
    ) -> None:
        super().__init__()
        require_multiple(in_chans, primary, "input channels")
        require_multiple(out_chans, primary, "output channels")
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        self.conv1 = InterleavedConv(in_chans, out_chans, kernel, primary=primary, stride=stride, dilation=dilation)
        self.act1 = activation(act, out_chans)
        self.conv2 = InterleavedConv(out_chans, out_chans, kernel, primary=primary, dilation=dilation)
        if stride == 1 and in_chans == out_chans:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = ConvNormAct(in_chans, out_chans, 1, stride=stride, groups=primary, act="none")
        self.drop_path = DropPath()
        self.act2 = activation(act, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        return self.act2(self.shortcut(x) + self.drop_path(self.conv2(self.act1(self.conv1(x)))))


@BLOCKS.register("igc_v2")
class IgcV2(nn.Module):
    """Depthwise k x k, then group 1x1 convolutions with shuffles in between, as few as make the product dense.

    A channel reaches K = input channels / `groups` others with the first 1x1 convolution and K times as many with
    each one more: n of them are dense once K^(n - 1) >= `groups` (with equality there is exactly one path between
    any two channels, the strict complementary condition).

    Args:
        groups: of the 1x1 convolutions; must divide the channels.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        groups: Groups = 8,
        act: Act = "relu",
    ) -> None:
        super().__init__()
        require_multiple(in_chans, groups, "input channels")
        require_multiple(out_chans, groups, "output channels")
        branch_chans = in_chans // groups
        require(groups == 1 or branch_chans > 1, f"{in_chans} channels in {groups} groups never mix")
        self.groups = groups
        self.dw = conv2d(in_chans, in_chans, kernel, stride=stride, dilation=dilation, groups=in_chans)
        chain, reached = [], 1
        while reached < groups:
            chain.append(conv2d(in_chans, in_chans, groups=groups))
            reached *= branch_chans
        self.chain = nn.ModuleList(chain)
        self.last = conv2d(in_chans, out_chans, groups=groups)
        self.norm = nn.BatchNorm2d(out_chans)
        self.act = activation(act, out_chans)

    def init_weights(self) -> None:
        """Let all but the last convolution keep the variance: no activation follows that would halve it."""
        for weight in (self.dw.weight, *self.chain.parameters()):
            nn.init.kaiming_normal_(weight, nonlinearity="linear")

    def forward(self, x: Tensor) -> Tensor:
        x = self.dw(x)
        for conv in self.chain:
            x = channel_shuffle(conv(x), self.groups)
        return self.act(self.norm(self.last(x)))


@BLOCKS.register("igc_v3")
class IgcV3(nn.Module):
    """Inverted residual with group 1x1 convolutions: linear expansion, shuffle, depthwise k x k, projection, shuffle.

    Only the depthwise convolution is activated, and an expansion of 1 keeps its convolution.

    Args:
        expand: middle channels = input channels x expand, rounded to a multiple of `groups`.
        groups: of both 1x1 convolutions; must divide the channels.
        shuffle_back: the last shuffle, the inverse of the first one; the authors' code has it.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        expand: Ratio = 6.0,
        groups: Groups = 2,
        act: Act = "relu6",
        shuffle_back: bool = True,
    ) -> None:
        super().__init__()
        require_multiple(in_chans, groups, "input channels")
        require_multiple(out_chans, groups, "output channels")
        mid_chans = make_divisible(in_chans * expand, groups)
        self.groups, self.back = groups, out_chans // groups if shuffle_back else 1
        self.expand = pointwise(in_chans, mid_chans, groups=groups, act="none")
        self.dw = depthwise(mid_chans, kernel, stride=stride, dilation=dilation, act=act)
        self.project = pointwise(mid_chans, out_chans, groups=groups, act="none")
        self.residual = stride == 1 and in_chans == out_chans and kernel % 2 == 1
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.dw(channel_shuffle(self.expand(x), self.groups)))
        y = channel_shuffle(y, self.back)
        return x + self.drop_path(y) if self.residual else y
