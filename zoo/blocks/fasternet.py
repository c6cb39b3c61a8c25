"""Partial convolution and two pointwise ones (FasterNet, arXiv:2303.03667)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import Act, ConvNormAct, DropPath, Ratio, conv2d, pointwise, require


@BLOCKS.register("fasternet")
class FasterNet(nn.Module):
    """3x3 convolution of the first channels only, pointwise expansion and projection; added to the input.

    Where the shape changes, a linear convolution whose kernel is its stride comes first ("merging"; paper, figure 4).

    Args:
        expand: middle channels = output channels x expand.
        partial: 1/partial of the channels see the 3x3 convolution.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        expand: Ratio = 2.0,
        partial: Annotated[int, Field(ge=2, le=64)] = 4,
        act: Act = "relu",
    ) -> None:
        super().__init__()
        mid_chans, conv_chans = int(out_chans * expand), out_chans // partial
        require(mid_chans > 0, f"expand {expand} leaves none of {out_chans} channels")
        require(conv_chans > 0, f"{out_chans} channels cannot be divided by {partial}")
        keeps_shape = stride == 1 and in_chans == out_chans
        self.merge = (
            nn.Identity()
            if keeps_shape
            else ConvNormAct(in_chans, out_chans, stride, stride=stride, act="none", padding=0)
        )
        self.chans = (conv_chans, out_chans - conv_chans)
        self.conv = conv2d(conv_chans, conv_chans, 3)
        self.expand = pointwise(out_chans, mid_chans, act=act)
        self.project = conv2d(mid_chans, out_chans)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        x = self.merge(x)
        seen, untouched = x.split(self.chans, 1)
        y = torch.cat((self.conv(seen), untouched), 1)
        return x + self.drop_path(self.project(self.expand(y)))
