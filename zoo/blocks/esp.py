"""Efficient spatial pyramids of dilated convolutions (ESPNet, arXiv:1803.06815), one module or a whole stage."""

from itertools import accumulate
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import Act, ConvNormAct, activation, conv2d, require, require_multiple

ImagePools = Annotated[int, Field(ge=0, le=8)]


def norm_act(chans: int, act: str) -> nn.Sequential:
    """Return batch normalisation and activation."""
    return nn.Sequential(nn.BatchNorm2d(chans), activation(act, chans))


def pooled_image(image: Tensor, times: int) -> Tensor:
    """(N, C, H, W) -> the image halved `times` times, rounded up as convolutions of stride 2 round."""
    for _ in range(times):
        image = F.avg_pool2d(image, 3, stride=2, padding=1)
    return image


@BLOCKS.register("esp")
class Esp(nn.Module):
    """Reduce, convolve 3x3 with dilations 1, 2, 4, ..., add up from the second on, concatenate; BN and activation.

    The input is added before BN where the shape stays the same. Figures 1 and 3 of the paper; strided, the
    convolution that reduces is 3x3.

    Args:
        branches: dilated convolutions, each with an equal part of the channels; the first takes the remainder.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        branches: Annotated[int, Field(ge=1, le=6)] = 5,
        act: Act = "prelu",
    ) -> None:
        super().__init__()
        require(out_chans >= branches, f"output channels ({out_chans}) are fewer than the branches ({branches})")
        part = out_chans // branches
        rest = out_chans - (branches - 1) * part
        self.reduce = conv2d(in_chans, part, 1 if stride == 1 else 3, stride=stride)
        self.branches = nn.ModuleList(
            conv2d(part, part if index else rest, 3, dilation=2**index) for index in range(branches)
        )
        self.norm_act = norm_act(out_chans, act)
        self.residual = stride == 1 and in_chans == out_chans

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        first, *others = [branch(y) for branch in self.branches]
        y = torch.cat((first, *accumulate(others)), 1)  # the sums take away the grid that dilation leaves
        return self.norm_act(x + y if self.residual else y)


@BLOCKS.register("esp_stage")
class EspStage(nn.Module):
    """A first module, `repeats` ESP modules on it, the outputs of both and the pooled image concatenated; BN, act.

    The order in the concatenation is last module, first module, image, in every stage; the authors' last stage has the
    first two exchanged, which only renames channels.

    Args:
        first: the module that may be strided: ESP, or a 3x3 convolution with BN and activation.
        image_pools: times that the image is halved to meet the output's size; 0 = no image.
    """

    takes_image = True

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        image_chans: int = 3,
        stride: int = 1,
        first: Literal["esp", "conv"] = "esp",
        repeats: Annotated[int, Field(ge=0, le=64)] = 2,
        image_pools: ImagePools = 0,
        act: Act = "prelu",
    ) -> None:
        super().__init__()
        own_chans = out_chans - image_chans if image_pools else out_chans
        parts = 2 if repeats else 1
        require_multiple(own_chans, parts, "output channels less the image's" if image_pools else "output channels")
        chans = own_chans // parts
        self.image_pools, self.parts = image_pools, parts
        if first == "esp":
            self.first = Esp(in_chans, chans, stride=stride, act=act)
        else:
            self.first = ConvNormAct(in_chans, chans, 3, stride=stride, act=act)
        self.others = nn.Sequential(*(Esp(chans, chans, act=act) for _ in range(repeats)))
        self.norm_act = norm_act(out_chans, act)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        x = self.first(x)
        maps = [self.others(x), x] if self.parts == 2 else [x]
        if self.image_pools:
            maps.append(pooled_image(image, self.image_pools))
        return self.norm_act(torch.cat(maps, 1))
