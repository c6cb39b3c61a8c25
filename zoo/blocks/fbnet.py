"""The two kinds of layer that the FBNet searches choose from (arXiv:1812.03443, section 3.1 and figure 3)."""

from typing import Annotated

from pydantic import Field
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
    SqueezeExcite,
    channel_shuffle,
    make_divisible,
    pointwise,
    require_multiple,
)


def _round(channels: float, divisor: int) -> int:
    return make_divisible(channels, divisor, round_limit=0.95)  # never more than 5 % down, in all of FBNet


@BLOCKS.register("fbnet")
class FBNetBlock(nn.Module):
    """Group pointwise, shuffle, depthwise k x k, [SE], linear group pointwise; added to the input if shapes allow.

    There is no first convolution where it would keep the channels, whatever `expand` says; the shuffle stays.

    Args:
        padding: pixels a side of the depthwise convolution where it strides, half of the kernel by default; at stride
            1 it always keeps the size.
        expand: middle channels = input channels x expand, rounded to a multiple of `divisor`.
        groups: of both pointwise convolutions.
        bias: of all convolutions, besides the one in batch norm.
        se_ratio: of squeeze-and-excitation with hard sigmoid, 0 = none; relative to the middle channels (FBNetV2) or,
            with `se_of` "input", to those of the block (FBNetV3).
        zero_init: training starts with a branch that adds nothing to the input.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        padding: Annotated[int, Field(ge=0, le=31)] | None = None,
        expand: Ratio = 6.0,
        divisor: Divisor = 8,
        groups: Groups = 1,
        act: Act = "relu",
        bias: bool = False,
        se_ratio: SeRatio = 0.0,
        se_of: SeOf = "middle",
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        mid_chans = _round(in_chans * expand, divisor)
        for chans, what in ((in_chans, "input"), (mid_chans, "middle"), (out_chans, "output")):
            require_multiple(chans, groups, f"{what} channels")
        same = mid_chans == in_chans
        self.groups = groups
        self.expand = nn.Identity() if same else pointwise(in_chans, mid_chans, groups=groups, act=act, bias=bias)
        self.dw = ConvNormAct(
            mid_chans,
            mid_chans,
            kernel,
            stride=stride,
            dilation=dilation,
            groups=mid_chans,
            act=act,
            bias=bias,
            padding=padding if stride > 1 else None,
        )
        se_chans = _round(int((in_chans if se_of == "input" else mid_chans) * se_ratio), divisor)
        self.se = SqueezeExcite(mid_chans, se_chans, act=act) if se_ratio else nn.Identity()
        self.project = pointwise(mid_chans, out_chans, groups=groups, act="none", bias=bias)
        self.residual = stride == 1 and in_chans == out_chans and kernel % 2 == 1
        self.zero_init = zero_init and self.residual
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def init_weights(self) -> None:
        if self.zero_init:
            nn.init.zeros_(self.project.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(x)
        if self.groups > 1:
            y = channel_shuffle(y, self.groups)
        y = self.project(self.se(self.dw(y)))
        return x + self.drop_path(y) if self.residual else y


@BLOCKS.register("skip")
class Skip(nn.Module):
    """Nothing where the shape may stay as it is; else 1x1 convolution, batch norm and ReLU."""

    def __init__(self, in_chans: int, out_chans: int, *, stride: int = 1) -> None:
        super().__init__()
        same = in_chans == out_chans and stride == 1
        self.conv = nn.Identity() if same else ConvNormAct(in_chans, out_chans, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
