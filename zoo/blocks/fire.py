"""Fire module (SqueezeNet, arXiv:1602.07360)."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import Act, ConvNormAct, activation, conv2d, require, require_multiple


@BLOCKS.register("fire")
class Fire(nn.Module):
    """A 1x1 squeeze, then 1x1 and 3x3 expansions side by side, concatenated.

    Args:
        squeeze_ratio: squeeze channels / output channels (the paper's SR is relative to the same sum).
        norm: batch norm after each convolution; the published networks have none, but biases.
        bypass: "simple" adds the input where the shape stays the same, "complex" a 1x1 convolution of it elsewhere.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        squeeze_ratio: Annotated[float, Field(gt=0, le=1)] = 0.125,
        act: Act = "relu",
        norm: bool = False,
        bypass: Literal["none", "simple", "complex"] = "none",
    ) -> None:
        super().__init__()
        require_multiple(out_chans, 2, "output channels")
        squeeze_chans, half = round(out_chans * squeeze_ratio), out_chans // 2
        require(squeeze_chans > 0, f"squeeze_ratio {squeeze_ratio} of {out_chans} channels leaves none")

        def conv(chans_in: int, chans_out: int, kernel: int, stride: int = 1) -> nn.Module:
            if norm:
                return ConvNormAct(chans_in, chans_out, kernel, stride=stride, act=act)
            return nn.Sequential(conv2d(chans_in, chans_out, kernel, stride=stride, bias=True), activation(act))

        self.squeeze = conv(in_chans, squeeze_chans, 1)
        self.expand1x1 = conv(squeeze_chans, half, 1, stride)
        self.expand3x3 = conv(squeeze_chans, half, 3, stride)
        same_shape = stride == 1 and in_chans == out_chans
        if same_shape and bypass != "none":
            self.bypass = nn.Identity()
        elif bypass == "complex":
            self.bypass = conv2d(in_chans, out_chans, stride=stride, bias=True)
        else:
            self.bypass = None

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.squeeze(x)
        y = torch.cat((self.expand1x1(squeezed), self.expand3x3(squeezed)), 1)
        return y if self.bypass is None else y + self.bypass(x)
