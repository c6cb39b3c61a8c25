"""Ghost module and ghost bottleneck (GhostNet, arXiv:1911.11907; GhostNetV2, arXiv:2211.12905)."""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
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


def halve(x: Tensor) -> Tensor:
    """Average 2 x 2 pixels; a side of one pixel stays as it is."""
    # not min(2, side): what that returns is no constant of the exported graph
    return F.avg_pool2d(x, [2 if side > 1 else 1 for side in x.shape[2:]])


torch.fx.wrap("halve")  # sizes are numbers there: symbolic tracing keeps it as one call


class Attention(nn.Sequential):
    """Decoupled fully connected attention at half the resolution: a gate in 0..1 (GhostNetV2, equations 4 and 5)."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__(
            pointwise(in_chans, out_chans, act="none"),
            ConvNormAct(out_chans, out_chans, (1, 5), groups=out_chans, act="none"),
            ConvNormAct(out_chans, out_chans, (5, 1), groups=out_chans, act="none"),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(halve(x))


class GhostModule(nn.Module):
    """A pointwise convolution makes 1/ratio of the channels, a cheap depthwise one the rest; concatenated, [gated]."""

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        ratio: int,
        cheap_kernel: int,
        act: str,
        attention: bool = False,
    ) -> None:
        super().__init__()
        primary_chans = math.ceil(out_chans / ratio)
        cheap_chans = primary_chans * (ratio - 1)
        self.out_chans = out_chans
        self.surplus = primary_chans + cheap_chans > out_chans
        self.primary = pointwise(in_chans, primary_chans, act=act)
        self.cheap = ConvNormAct(primary_chans, cheap_chans, cheap_kernel, groups=primary_chans, act=act)
        self.attention = Attention(in_chans, out_chans) if attention else None

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary(x)
        y = torch.cat((primary, self.cheap(primary)), 1)
        if self.surplus:
            y = y[:, : self.out_chans]
        return y if self.attention is None else y * F.interpolate(self.attention(x), size=y.shape[2:])


def shortcut(in_chans: int, out_chans: int, kernel: int, stride: int) -> nn.Module:
    """Return depthwise and linear pointwise convolution where the shape changes, else an identity."""
    if stride == 1 and in_chans == out_chans:
        return nn.Identity()
    return nn.Sequential(
        depthwise(in_chans, kernel, stride=stride, act="none"), pointwise(in_chans, out_chans, act="none")
    )


@BLOCKS.register("ghost")
class Ghost(nn.Module):
    """Ghost expansion, [depthwise stride], [SE], linear ghost projection, plus a shortcut (paper, figure 3).

    Args:
        expand: middle channels = input channels x expand, rounded to a multiple of 4.
        kernel: of the strided depthwise convolution and of the shortcut's.
        se_ratio: of squeeze-and-excitation with hard-sigmoid gate, relative to the middle channels; 0 = none.
        attention: gates the expansion by what lies in the same row and column (GhostNetV2).
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
        attention: bool = False,
        ratio: Annotated[int, Field(ge=2, le=8)] = 2,
        cheap_kernel: Kernel = 3,
    ) -> None:
        super().__init__()
        mid_chans = make_divisible(in_chans * expand, 4)
        cheap = {"ratio": ratio, "cheap_kernel": cheap_kernel}
        self.expand = GhostModule(in_chans, mid_chans, act=act, attention=attention, **cheap)
        self.dw = depthwise(mid_chans, kernel, stride=stride, act="none") if stride > 1 else nn.Identity()
        self.se = squeeze_excite(mid_chans, se_ratio, divisor=4)
        self.project = GhostModule(mid_chans, out_chans, act="none", **cheap)
        self.shortcut = shortcut(in_chans, out_chans, kernel, stride)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.drop_path(self.project(self.se(self.dw(self.expand(x)))))
