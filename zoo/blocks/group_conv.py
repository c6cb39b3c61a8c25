"""Bottleneck with a group convolution (ResNeXt, arXiv:1611.05431; RegNet, arXiv:2003.13678)."""

from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    ConvNormAct,
    Dilation,
    Divisor,
    DropPath,
    Groups,
    Kernel,
    Ratio,
    SeOf,
    SeRatio,
    activation,
    make_divisible,
    pointwise,
    require,
    squeeze_excite,
)


@BLOCKS.register("group_conv")
class GroupConv(nn.Module):
    """Pointwise, group k x k, [SE], linear pointwise; added to the input or to its 1x1 projection, then activated.

    Args:
        group_width: channels of one group of the middle convolution.
        bottleneck: middle channels = output channels x bottleneck, rounded to a multiple of `group_width`.
        se_ratio: of squeeze-and-excitation with sigmoid gate, 0 = none; relative to the middle channels or, with
            `se_of` "input", to those of the block (RegNetY); rounded to a multiple of `se_divisor`.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        group_width: Groups = 8,
        bottleneck: Ratio = 1.0,
        act: Act = "relu",
        se_ratio: SeRatio = 0.0,
        se_of: SeOf = "middle",
        se_divisor: Divisor = 8,
    ) -> None:
        super().__init__()
        mid_chans = make_divisible(out_chans * bottleneck, group_width)
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        self.reduce = pointwise(in_chans, mid_chans, act=act)
        groups = mid_chans // group_width
        self.conv = ConvNormAct(mid_chans, mid_chans, kernel, stride=stride, dilation=dilation, groups=groups, act=act)
        of = in_chans if se_of == "input" else mid_chans
        self.se = squeeze_excite(mid_chans, se_ratio, of=of, divisor=se_divisor, gate="sigmoid")
        self.expand = pointwise(mid_chans, out_chans, act="none")
        if stride == 1 and in_chans == out_chans:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = ConvNormAct(in_chans, out_chans, 1, stride=stride, act="none")
        self.drop_path = DropPath()
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(self.se(self.conv(self.reduce(x))))
        return self.act(self.shortcut(x) + self.drop_path(y))
