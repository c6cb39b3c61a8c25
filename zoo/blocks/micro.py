"""Blocks of MicroNet (Li et al., arXiv:2108.05894), cut where the authors' code cuts them.

Depthwise k x k is factorised into k x 1 and 1 x k, pointwise into two group convolutions with a shuffle between
(paper, section 3). One block expands, the other compresses: the paper's Micro-Block-A is `micro_lite`, B and C arise
where blocks meet, and `micro_pointwise` is the expansion that ends the last C.
"""

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.dynamic_shift_max import DynamicShiftMax, Fusion
from zoo.blocks.layers import (
    ConvNormAct,
    Dilation,
    DropPath,
    Groups,
    Kernel,
    Ratio,
    activation,
    channel_shuffle,
    make_divisible,
    pointwise,
    require,
    require_multiple,
)

Multiplier = Annotated[int, Field(ge=1, le=8)]
Reduction = Annotated[int, Field(ge=2, le=64)]

_FIRST: Fusion = (1.0, 0.0)  # the features as they are


def _activation(dynamic: bool, chans: int, groups: int, reduction: int, second: Fusion) -> nn.Module:
    if not dynamic:
        return activation("relu6")
    return DynamicShiftMax(chans, groups, reduction=reduction, starts=(_FIRST, second))


def _fusion(dynamic: bool, chans: int, groups: int, reduction: int) -> nn.Module:
    return DynamicShiftMax(chans, groups, reduction=reduction, starts=(_FIRST,)) if dynamic else nn.Identity()


def _factorized(
    in_chans: int, mid_chans: int, out_chans: int, kernel: int, *, groups: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Return k x 1 with `groups`, then 1 x k depthwise, each with its normalisation."""
    require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
    return nn.Sequential(
        ConvNormAct(in_chans, mid_chans, (kernel, 1), stride=(stride, 1), dilation=dilation, groups=groups, act="none"),
        ConvNormAct(
            mid_chans, out_chans, (1, kernel), stride=(1, stride), dilation=dilation, groups=mid_chans, act="none"
        ),
    )


def _every(x: Tensor, step: int) -> Tensor:
    """Order the channels 0, step, 2 step, ..., then 1, 1 + step, ...; a `step` of 0 leaves them as they are."""
    return channel_shuffle(x, x.shape[1] // step) if step else x


@BLOCKS.register("micro_stem")
class MicroStem(nn.Module):
    """k x 1 convolution, 1 x k depthwise that multiplies the channels, shuffle, ReLU6.

    Args:
        multiplier: of the depthwise convolution; the first one gives 1/multiplier of the output channels.
    """

    def __init__(
        self, in_chans: int, out_chans: int, *, stride: int = 2, kernel: Kernel = 3, multiplier: Multiplier = 2
    ) -> None:
        super().__init__()
        require_multiple(out_chans, multiplier, "output channels")
        self.groups = out_chans // multiplier
        self.conv = _factorized(in_chans, self.groups, out_chans, kernel, groups=1, stride=stride)
        self.act = activation("relu6")

    def forward(self, x: Tensor) -> Tensor:
        return self.act(channel_shuffle(self.conv(x), self.groups))


@BLOCKS.register("micro_lite")
class MicroLite(nn.Module):
    """Factorised depthwise that expands, group pointwise that compresses; added to the input if shapes allow.

    Args:
        multiplier: of each of the two depthwise factors; middle channels = input channels x multiplier squared.
        groups: of the pointwise convolution.
        dynamic_dw: Dynamic Shift-Max after the depthwise convolution, else ReLU6.
        dynamic_project: a dynamic fusion after the pointwise convolution, else nothing.
        reduction: of the coefficients of Dynamic Shift-Max; half of it after the pointwise convolution.
        second: start (a, b) of the second of the two fusions that the maximum is taken of.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        multiplier: Multiplier = 2,
        groups: Groups = 4,
        dynamic_dw: bool = True,
        dynamic_project: bool = True,
        reduction: Reduction = 8,
        second: Fusion = (1.0, 0.0),
    ) -> None:
        super().__init__()
        mid_chans = in_chans * multiplier**2
        for chans, what in ((mid_chans, "middle channels"), (out_chans, "output channels")):
            require_multiple(chans, math.lcm(groups, 2), what)
        self.in_chans, self.groups = in_chans, groups
        self.dw = _factorized(
            in_chans, in_chans * multiplier, mid_chans, kernel, groups=in_chans, stride=stride, dilation=dilation
        )
        self.dw_act = _activation(dynamic_dw, mid_chans, in_chans, reduction, second)
        self.dw_step = 2 * dynamic_dw
        self.project = pointwise(mid_chans, out_chans, groups=groups, act="none")
        self.project_act = _fusion(dynamic_project, out_chans, groups, reduction // 2)
        self.project_step = 2 * dynamic_project
        self.residual = stride == 1 and in_chans == out_chans
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = channel_shuffle(self.dw_act(self.dw(x)), self.in_chans)
        y = self.project_act(self.project(_every(y, self.dw_step)))
        y = _every(channel_shuffle(y, self.groups), self.project_step)
        return x + self.drop_path(y) if self.residual else y


@BLOCKS.register("micro")
class Micro(nn.Module):
    """Group pointwise that expands, factorised depthwise, group pointwise that compresses; added if shapes allow.

    Args:
        expand: middle channels = input channels x expand, rounded so that all groups fit.
        expand_groups, project_groups: of the pointwise convolutions.
        dynamic_expand, dynamic_dw: Dynamic Shift-Max after the expansion, the depthwise convolution, else ReLU6.
        dynamic_project: a dynamic fusion after the compression, else nothing.
        reduction: of the coefficients of Dynamic Shift-Max; half of it after a compression.
        second: start (a, b) of the second of the two fusions that the maximum is taken of.
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
        expand_groups: Groups = 4,
        project_groups: Groups = 4,
        dynamic_expand: bool = True,
        dynamic_dw: bool = True,
        dynamic_project: bool = True,
        reduction: Reduction = 8,
        second: Fusion = (1.0, 0.0),
    ) -> None:
        super().__init__()
        require_multiple(in_chans, expand_groups, "input channels")
        require_multiple(out_chans, math.lcm(project_groups, 2), "output channels")
        mid_chans = make_divisible(in_chans * expand, math.lcm(expand_groups, project_groups, 4))
        self.expand_groups, self.project_groups = expand_groups, project_groups
        self.expand = pointwise(in_chans, mid_chans, groups=expand_groups, act="none")
        self.expand_act = _activation(dynamic_expand, mid_chans, expand_groups, reduction, second)
        self.dw = _factorized(
            mid_chans, mid_chans, mid_chans, kernel, groups=mid_chans, stride=stride, dilation=dilation
        )
        self.dw_act = _activation(dynamic_dw, mid_chans, mid_chans // expand_groups, reduction, second)
        self.dw_step = 2 * (dynamic_expand + dynamic_dw)
        self.project = pointwise(mid_chans, out_chans, groups=project_groups, act="none")
        halved = reduction // 2 if out_chans < mid_chans else reduction
        self.project_act = _fusion(dynamic_project, out_chans, project_groups, halved)
        self.project_step = 2 * dynamic_project
        self.residual = stride == 1 and in_chans == out_chans
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = channel_shuffle(self.expand_act(self.expand(x)), self.expand_groups)
        y = _every(self.dw_act(self.dw(y)), self.dw_step)
        y = channel_shuffle(self.project_act(self.project(y)), self.project_groups)
        y = _every(y, self.project_step)
        return x + self.drop_path(y) if self.residual else y


@BLOCKS.register("micro_pointwise")
class MicroPointwise(nn.Module):
    """Group pointwise convolution and a dynamic fusion.

    Args:
        groups: of the convolution and of the fusion's shift.
        dynamic: without it the convolution stands alone.
        reduction: of the coefficients of the fusion.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        groups: Groups = 4,
        dynamic: bool = True,
        reduction: Reduction = 8,
    ) -> None:
        super().__init__()
        require_multiple(in_chans, groups, "input channels")
        require_multiple(out_chans, groups, "output channels")
        self.conv = ConvNormAct(in_chans, out_chans, 1, stride=stride, groups=groups, act="none")
        self.act = _fusion(dynamic, out_chans, groups, reduction)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))
