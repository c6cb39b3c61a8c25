"""ShuffleNet units: V1 with group convolutions (arXiv:1707.01083), V2 with channel split (arXiv:1807.11164)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    Groups,
    Kernel,
    activation,
    channel_shuffle,
    depthwise,
    pointwise,
    require,
    require_multiple,
)


def even_and_odd(x: Tensor, half: int) -> tuple[Tensor, Tensor]:
    """(N, 2 half, H, W) -> the channels of even and of odd number, (N, half, H, W) each."""
    even, odd = channel_shuffle(x, half).chunk(2, 1)
    return even, odd


@BLOCKS.register("shuffle_v1")
class ShuffleV1(nn.Module):
    """Group pointwise, shuffle, depthwise, group pointwise; added to the input, or beside its average pool at stride 2.

    Middle channels are a quarter of the unit's full output. The shuffle stands after the depthwise convolution, as
    in the authors' code, which also leaves the pooled half out of the ReLU.

    Args:
        groups: of both pointwise convolutions.
        group_first: False leaves the first pointwise convolution ungrouped (first unit of stage 2).
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        groups: Groups = 3,
        group_first: bool = True,
        act: Act = "relu",
    ) -> None:
        super().__init__()
        require(stride <= 2, f"stride must be 1 or 2, got {stride}")
        branch_chans = out_chans - in_chans if stride == 2 else out_chans
        require(stride == 2 or in_chans == out_chans, f"stride 1 keeps the channels: {in_chans} in, {out_chans} out")
        require(branch_chans > 0, f"stride 2 must widen: {in_chans} in, {out_chans} out")
        require_multiple(out_chans, 4 * groups, "output channels")
        require_multiple(branch_chans, groups, "output less input channels")
        if group_first:
            require_multiple(in_chans, groups, "input channels")
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        mid_chans = out_chans // 4
        self.groups, self.stride = groups, stride
        self.reduce = pointwise(in_chans, mid_chans, groups=groups if group_first else 1, act=act)
        self.dw = depthwise(mid_chans, kernel, stride=stride, act="none")
        self.expand = pointwise(mid_chans, branch_chans, groups=groups, act="none")
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dw(self.reduce(x))
        if self.groups > 1:
            y = channel_shuffle(y, y.shape[1] // self.groups)
        y = self.expand(y)
        if self.stride == 1:
            return self.act(x + y)
        return torch.cat((F.avg_pool2d(x, 3, 2, 1), self.act(y)), 1)


@BLOCKS.register("shuffle_v2")
class ShuffleV2(nn.Module):
    """Half of the channels pass by, the other half go through pointwise, depthwise, pointwise; concatenated, shuffled.

    At stride 2 both branches see all channels. The authors' code has split="rest" and shuffle="input", torchvision
    split="half" and shuffle="output".

    Args:
        split: channels of the main branch at stride 2: "rest" = output less input, "half" = half of the output.
        shuffle: "output" interleaves the two branches; "input" leaves them in a row, and a unit of stride 1 sends the
            even channels past and the odd ones through its main branch.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        act: Act = "relu",
        split: Literal["rest", "half"] = "rest",
        shuffle: Literal["output", "input"] = "output",
    ) -> None:
        super().__init__()
        require(stride <= 2, f"stride must be 1 or 2, got {stride}")
        require_multiple(out_chans, 2, "output channels")
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        half = out_chans // 2
        self.stride, self.half_chans, self.shuffle_output = stride, half, shuffle == "output"
        if stride == 1:
            require(in_chans == out_chans, f"stride 1 keeps the channels: {in_chans} in, {out_chans} out")
            side_chans, main_in, main_out = half, half, half
            self.side = nn.Identity()
        else:
            side_chans = in_chans if split == "rest" else half
            main_in, main_out = in_chans, out_chans - side_chans
            require(main_out > 0, f"stride 2 must widen: {in_chans} in, {out_chans} out")
            self.side = nn.Sequential(
                depthwise(in_chans, kernel, stride=2, act="none"), pointwise(in_chans, side_chans, act=act)
            )
        self.main = nn.Sequential(
            pointwise(main_in, half, act=act),
            depthwise(half, kernel, stride=stride, act="none"),
            pointwise(half, main_out, act=act),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            side = main = x
        elif self.shuffle_output:
            side, main = x.chunk(2, 1)
        else:
            side, main = even_and_odd(x, self.half_chans)
        y = torch.cat((self.side(side), self.main(main)), 1)
        return channel_shuffle(y, 2) if self.shuffle_output else y
