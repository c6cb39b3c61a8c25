"""Ghost module and ghost bottleneck (GhostNet, arXiv:1911.11907)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    ConvNormAct,
    DropPath,
    Kernel,
    Ratio,
    SeRatio,
    depthwise,
    make_divisible,
    pointwise,
    squeeze_excite,
)


class GhostModule(nn.Module):
    """A pointwise convolution makes 1/ratio of the channels, a cheap depthwise one the rest; concatenated."""

    def __init__(self, in_chans: int, out_chans: int, *, ratio: int, cheap_kernel: int, act: str) -> None:
        super().__init__()
        primary_chans = math.ceil(out_chans / ratio)
        cheap_chans = primary_chans * (ratio - 1)
        self.out_chans = out_chans
        self.surplus = primary_chans + cheap_chans > out_chans
        self.primary = pointwise(in_chans, primary_chans, act=act)
        self.cheap = ConvNormAct(primary_chans, cheap_chans, cheap_kernel, groups=primary_chans, act=act)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary(x)
        y = torch.cat((primary, self.cheap(primary)), 1)
        return y[:, : self.out_chans] if self.surplus else y


@BLOCKS.register("ghost")
class Ghost(nn.Module):
    """Ghost expansion, [depthwise stride], [SE], linear ghost projection, plus a shortcut (paper, figure 3).

    Args:
        expand: middle channels = input channels x expand, rounded to a multiple of 4.
        kernel: of the strided depthwise convolution and of the shortcut's.
        se_ratio: of squeeze-and-excitation with hard-sigmoid gate, relative to the middle channels; 0 = none.
        ratio, cheap_kernel: s and d of the ghost modules (paper, equations 3 and 4).
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        expand: Ratio = 2.0,
        act: Act = "relu",
        se_ratio: SeRatio = 0.0,
        ratio: Annotated[int, Field(ge=2, le=8)] = 2,
        cheap_kernel: Kernel = 3,
    ) -> None:
        super().__init__()
        mid_chans = make_divisible(in_chans * expand, 4)
        self.expand = GhostModule(in_chans, mid_chans, ratio=ratio, cheap_kernel=cheap_kernel, act=act)
        self.dw = depthwise(mid_chans, kernel, stride=stride, act="none") if stride > 1 else nn.Identity()
        self.se = squeeze_excite(mid_chans, se_ratio, divisor=4)
        self.project = GhostModule(mid_chans, out_chans, ratio=ratio, cheap_kernel=cheap_kernel, act="none")
        if stride == 1 and in_chans == out_chans:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                depthwise(in_chans, kernel, stride=stride, act="none"), pointwise(in_chans, out_chans, act="none")
            )
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.drop_path(self.project(self.se(self.dw(self.expand(x)))))
