"""SqueezeNext block (arXiv:1803.10615)."""

from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    ConvNormAct,
    Dilation,
    DropPath,
    Groups,
    Kernel,
    activation,
    pointwise,
    require,
    require_multiple,
)


@BLOCKS.register("squeezenext")
class SqueezeNext(nn.Module):
    """Two 1x1 reductions, to 1/2 and 1/4 of the output channels, a 3x1 and a 1x3 convolution, a 1x1 expansion.

    Each has its batch norm and activation, as has the 1x1 convolution on the shortcut where the shape changes; the
    sum is activated again (paper, figure 1, and the authors' Caffe files).

    Args:
        kernel: length of both one-dimensional convolutions.
        groups: of the first reduction and of the one-dimensional convolutions (the G network).
        column_first: the 3x1 convolution before the 1x3; the networks take turns block by block.
        project: a convolution on the shortcut even where the shape stays the same.
        project_first: the reductions start from the shortcut instead of the input (the v5 networks).
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        groups: Groups = 1,
        act: Act = "relu",
        column_first: bool = True,
        project: bool = False,
        project_first: bool = False,
    ) -> None:
        super().__init__()
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        require_multiple(out_chans, 4 * groups, "output channels")
        half, quarter = out_chans // 2, out_chans // 4
        if project or stride > 1 or in_chans != out_chans:
            self.shortcut = ConvNormAct(in_chans, out_chans, stride=stride, act=act)
        else:
            self.shortcut = nn.Identity()
        self.project_first = project_first
        if project_first:
            in_chans, stride = out_chans, 1
        require_multiple(in_chans, groups, "input channels")
        first, second = ((kernel, 1), (1, kernel)) if column_first else ((1, kernel), (kernel, 1))
        self.body = nn.Sequential(
            ConvNormAct(in_chans, half, stride=stride, groups=groups, act=act),
            pointwise(half, quarter, act=act),
            ConvNormAct(quarter, half, first, dilation=dilation, groups=groups, act=act),
            ConvNormAct(half, half, second, dilation=dilation, groups=groups, act=act),
            pointwise(half, out_chans, act=act),
        )
        self.drop_path = DropPath()
        self.act = activation(act, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x)
        y = self.body(shortcut if self.project_first else x)
        return self.act(shortcut + self.drop_path(y))
