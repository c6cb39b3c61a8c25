"""Inverted residual with linear bottleneck (MobileNetV2, arXiv:1801.04381)."""

from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    Dilation,
    Divisor,
    DropPath,
    Kernel,
    Ratio,
    SeOf,
    SeRatio,
    depthwise,
    make_divisible,
    pointwise,
    squeeze_excite,
)


@BLOCKS.register("inverted_residual")
class InvertedResidual(nn.Module):
    """Pointwise expansion, depthwise k x k, [SE], linear pointwise projection; added to the input if shapes allow.

    Args:
        expand: middle channels = input channels x expand, rounded to a multiple of 8; 1 = no expansion layer.
        se_ratio: of squeeze-and-excitation, 0 = none; relative to the middle channels (MobileNetV3) or, with
            `se_of` "input", to those of the block (EfficientNet); rounded to a multiple of `se_divisor`.
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
        act: Act = "relu6",
        se_ratio: SeRatio = 0.0,
        se_of: SeOf = "middle",
        se_divisor: Divisor = 8,
        se_act: Act = "relu",
        se_gate: Act = "hard_sigmoid",
    ) -> None:
        super().__init__()
        mid_chans = in_chans if expand == 1 else make_divisible(in_chans * expand)
        self.expand = nn.Identity() if expand == 1 else pointwise(in_chans, mid_chans, act=act)
        self.dw = depthwise(mid_chans, kernel, stride=stride, dilation=dilation, act=act)
        of = in_chans if se_of == "input" else mid_chans
        self.se = squeeze_excite(mid_chans, se_ratio, of=of, divisor=se_divisor, act=se_act, gate=se_gate)
        self.project = pointwise(mid_chans, out_chans, act="none")
        self.residual = stride == 1 and in_chans == out_chans and kernel % 2 == 1
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.se(self.dw(self.expand(x))))
        return x + self.drop_path(y) if self.residual else y
