"""ShuffleNetV2 unit whose convolutions are computed for each image (WeightNet, arXiv:2007.11823)."""

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import Act, Groups, Kernel, activation, conv2d, require, require_multiple
from zoo.blocks.shuffle import even_and_odd


class WeightNetConv(nn.Module):
    """A convolution with a kernel for each sample: grouped_fc(sigmoid(fc(context))), without bias.

    (N, in_chans, H, W) and the context (N, context_chans, 1, 1) -> (N, out_chans, h, w). Dense or depthwise.

    Args:
        units: M of the paper: sigmoids for each output channel.
        groups: G of the paper: groups of the second layer for each output channel. `units / groups` kernels are mixed
            for every sample, so there are that many times the weights of an ordinary convolution. The depthwise form
            has no more than those M / G sigmoids a channel.
    """

    def __init__(
        self,
        context_chans: int,
        in_chans: int,
        out_chans: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        units: int = 2,
        groups: int = 2,
    ) -> None:
        super().__init__()
        require_multiple(units, groups, "units")
        self.kernel, self.stride, self.out_chans = kernel, stride, out_chans
        self.conv_groups, self.chans_per_group = (in_chans, 1) if depthwise else (1, in_chans)
        if depthwise:
            units, groups = units // groups, 1
        weights = self.chans_per_group * kernel**2
        require_multiple(weights, groups, "weights of an output channel")
        self.fc = conv2d(context_chans, units * out_chans, bias=True)
        self.gate = nn.Sigmoid()
        self.grouped_fc = conv2d(units * out_chans, weights * out_chans, groups=groups * out_chans)

    def init_weights(self) -> None:
        # the authors divide by the outputs of a group, the size of the kernel
        nn.init.normal_(self.grouped_fc.weight, std=self.grouped_fc.groups / self.grouped_fc.out_channels)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        samples = x.shape[0]
        kernels = self.grouped_fc(self.gate(self.fc(context)))
        kernels = kernels.reshape(-1, self.chans_per_group, self.kernel, self.kernel)
        # all samples side by side as the channels of one image, each its own groups
        y = F.conv2d(
            x.flatten(0, 1).unsqueeze(0),
            kernels,
            stride=self.stride,
            padding=self.kernel // 2,
            groups=samples * self.conv_groups,
        )
        return y.squeeze(0).unflatten(0, (-1, self.out_chans))


class _Layer(nn.Module):
    def __init__(self, conv: WeightNetConv, act: str) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_chans)
        self.act = activation(act, conv.out_chans)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x, context)))


@BLOCKS.register("weightnet_shuffle_v2")
class WeightNetShuffleV2(nn.Module):
    """ShuffleNetV2's unit with a WeightNet in place of every convolution; all share one reduction of the pooled input.

    Branches and shuffle are those of `shuffle_v2` with split="rest" and shuffle="input".

    Args:
        units, groups: M and G of the paper; `units` must be a multiple of `groups`, see `WeightNetConv`.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        act: Act = "relu",
        units: Annotated[int, Field(ge=1, le=64)] = 2,
        groups: Groups = 2,
    ) -> None:
        super().__init__()
        require(stride <= 2, f"stride must be 1 or 2, got {stride}")
        require_multiple(out_chans, 2, "output channels")
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        self.stride, self.half_chans = stride, out_chans // 2
        if stride == 1:
            require(in_chans == out_chans, f"stride 1 keeps the channels: {in_chans} in, {out_chans} out")
            in_chans = self.half_chans
        main_out = out_chans - in_chans
        require(main_out > 0, f"stride 2 must widen: {in_chans} in, {out_chans} out")
        context_chans = max(16, in_chans // 16)
        self.reduce = conv2d(in_chans, context_chans, bias=True)

        def pointwise(chans_in: int, chans_out: int) -> _Layer:
            return _Layer(WeightNetConv(context_chans, chans_in, chans_out, units=units, groups=groups), act)

        def depthwise(chans: int) -> _Layer:
            conv = WeightNetConv(
                context_chans, chans, chans, kernel, stride=stride, depthwise=True, units=units, groups=groups
            )
            return _Layer(conv, "none")

        self.main = nn.ModuleList(
            (pointwise(in_chans, self.half_chans), depthwise(self.half_chans), pointwise(self.half_chans, main_out))
        )
        self.side = nn.ModuleList((depthwise(in_chans), pointwise(in_chans, in_chans)) if stride == 2 else ())

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            side, main = even_and_odd(x, self.half_chans)
        else:
            side = main = x
        context = self.reduce(main.mean((2, 3), keepdim=True))
        for layer in self.main:
            main = layer(main, context)
        for layer in self.side:
            side = layer(side, context)
        return torch.cat((side, main), 1)
