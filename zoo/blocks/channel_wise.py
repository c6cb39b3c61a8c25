"""Convolutions along the channels, the same at every place (ChannelNets, arXiv:1809.01330)."""

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    Dilation,
    DropPath,
    Groups,
    Kernel,
    activation,
    conv2d,
    pointwise,
    require,
    require_multiple,
)

ChannelKernel = Annotated[int, Field(ge=1, le=256)]


class ChannelWiseConv(nn.Module):
    """`groups` kernels slide along the channels of (N, C, H, W) in steps of `groups`; each gives C / groups channels.

    All places share the kernels, so it is one 2-D convolution over a map of C x (H * W).
    """

    def __init__(self, kernel: int, groups: int = 1) -> None:
        super().__init__()
        require(kernel >= groups, f"a kernel of {kernel} channels in steps of {groups} leaves channels out")
        margin = kernel - groups
        self.padding = (0, 0, margin // 2, margin - margin // 2)
        self.conv = conv2d(1, groups, (kernel, 1), stride=(groups, 1), padding=0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(F.pad(x.flatten(2).unsqueeze(1), self.padding))
        return y.reshape(x.shape)


@BLOCKS.register("channel_group")
class ChannelGroup(nn.Module):
    """`repeats` times depthwise, group pointwise, BN, act; then a channel-wise convolution to mix the groups.

    The group module of the paper and, with a `channel_kernel`, its group channel-wise module (figure 5). As in the
    authors' code there is no BN after depthwise and channel-wise convolutions.

    Args:
        groups: of the pointwise and channel-wise convolutions.
        channel_kernel: channels that a channel-wise kernel covers (paper: 4 x groups); 0 = no such convolution.
        residual: add the input where the shape stays the same.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        groups: Groups = 2,
        repeats: Annotated[int, Field(ge=1, le=64)] = 2,
        channel_kernel: Annotated[int, Field(ge=0, le=256)] = 0,
        act: Act = "relu6",
        residual: bool = True,
    ) -> None:
        super().__init__()
        require_multiple(in_chans, groups, "input channels")
        require_multiple(out_chans, groups, "output channels")
        self.layers = nn.Sequential()
        chans = in_chans
        for index in range(repeats):
            step = 1 if index else stride
            self.layers.append(conv2d(chans, chans, kernel, stride=step, dilation=dilation, groups=chans))
            self.layers.append(pointwise(chans, out_chans, groups=groups, act=act))
            chans = out_chans
        if channel_kernel:
            self.layers.append(ChannelWiseConv(channel_kernel, groups))
        self.residual = residual and stride == 1 and in_chans == out_chans and kernel % 2 == 1
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + self.drop_path(y) if self.residual else y


@BLOCKS.register("channel_wise")
class ChannelWise(nn.Module):
    """Depthwise k x k, then one channel-wise convolution where others have a pointwise one (section 3.3).

    Args:
        channel_kernel: channels that the channel-wise kernel covers.
        norm: BN after it.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        channel_kernel: ChannelKernel = 64,
        norm: bool = True,
        act: Act = "relu6",
    ) -> None:
        super().__init__()
        require(in_chans == out_chans, f"channels stay the same: {in_chans} in, {out_chans} out")
        self.dw = conv2d(in_chans, in_chans, kernel, stride=stride, dilation=dilation, groups=in_chans)
        self.channel_wise = ChannelWiseConv(channel_kernel)
        self.norm = nn.BatchNorm2d(out_chans) if norm else nn.Identity()
        self.act = activation(act, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.channel_wise(self.dw(x))))
