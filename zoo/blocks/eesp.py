"""Extremely efficient spatial pyramid of depthwise dilated convolutions (ESPNetV2, arXiv:1811.11431)."""

import math
from itertools import accumulate
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.esp import ImagePools, norm_act, pooled_image
from zoo.blocks.layers import Act, ConvNormAct, activation, conv2d, pointwise, require, require_multiple


def dilations(branches: int, receptive_field: int) -> list[int]:
    """Return ascending dilations 1, 2, ... of 3x3 kernels; those that see more than `receptive_field` pixels become 1.

    >>> dilations(4, receptive_field=7)
    [1, 1, 2, 3]
    """
    return sorted(dilation if 2 * dilation + 1 <= receptive_field else 1 for dilation in range(1, branches + 1))


@BLOCKS.register("eesp")
class Eesp(nn.Module):
    """Group pointwise, depthwise 3x3 with growing dilations, added up and concatenated, group pointwise (figure 1c).

    At stride 1 the input is added where the channels stay the same. At stride 2 the average-pooled input stands beside
    the unit's own channels, the output less the input, and the image may be added to both (figure 2).

    Args:
        branches: dilated convolutions, and groups of the pointwise ones; fewer groups in the first of them where the
            channels are no multiple.
        receptive_field: pixels that no dilated kernel exceeds, see `dilations`.
        image_pools: times that the image is halved to meet the output's size; 0 = no image. At stride 2 only.
    """

    takes_image = True

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        image_chans: int = 3,
        stride: int = 1,
        branches: Annotated[int, Field(ge=1, le=8)] = 4,
        receptive_field: Annotated[int, Field(ge=3, le=17)] = 7,
        image_pools: ImagePools = 0,
        act: Act = "prelu",
    ) -> None:
        super().__init__()
        require(stride <= 2, f"stride must be 1 or 2, got {stride}")
        require(stride == 2 or not image_pools, "only a unit of stride 2 adds the image")
        own_chans = out_chans - in_chans if stride == 2 else out_chans
        require(own_chans > 0, f"stride 2 must widen: {in_chans} in, {out_chans} out")
        require_multiple(own_chans, branches, "output less input channels" if stride == 2 else "output channels")
        part = own_chans // branches
        self.stride, self.image_pools = stride, image_pools
        self.reduce = pointwise(in_chans, part, groups=math.gcd(branches, in_chans, part), act=act)
        self.branches = nn.ModuleList(
            conv2d(part, part, 3, stride=stride, dilation=dilation, groups=part)
            for dilation in dilations(branches, receptive_field)
        )
        self.expand = pointwise(own_chans, own_chans, groups=branches, act="none")
        self.norm_act = norm_act(own_chans, act)
        self.reinforce = nn.Identity()
        if image_pools:
            self.reinforce = nn.Sequential(
                ConvNormAct(image_chans, image_chans, 3, act=act), pointwise(image_chans, out_chans, act="none")
            )
        self.act = activation(act, out_chans)
        self.residual = stride == 1 and in_chans == out_chans

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        y = self.reduce(x)
        y = torch.cat(tuple(accumulate(branch(y) for branch in self.branches)), 1)
        y = self.expand(self.norm_act(y))
        if self.stride == 2:
            y = torch.cat((F.avg_pool2d(x, 3, stride=2, padding=1), y), 1)
        elif self.residual:
            y = x + y
        if self.image_pools:
            y = y + self.reinforce(pooled_image(image, self.image_pools))
        return self.act(y)
