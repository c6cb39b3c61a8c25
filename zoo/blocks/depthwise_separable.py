"""Depthwise-separable convolution (MobileNetV1, arXiv:1704.04861)."""

from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    Dilation,
    Divisor,
    DropPath,
    Kernel,
    SeRatio,
    depthwise,
    pointwise,
    squeeze_excite,
)


@BLOCKS.register("depthwise_separable")
class DepthwiseSeparable(nn.Module):
    """Depthwise k x k, BN, act, [SE], pointwise, BN, [act].

    Args:
        se_ratio: of squeeze-and-excitation between the two convolutions, rounded to a multiple of `se_divisor`;
            0 = none.
        linear: no activation after the pointwise convolution (MnasNet's SepConv).
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
        act: Act = "relu6",
        se_ratio: SeRatio = 0.0,
        se_divisor: Divisor = 8,
        se_act: Act = "relu",
        se_gate: Act = "hard_sigmoid",
        linear: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.dw = depthwise(in_chans, kernel, stride=stride, dilation=dilation, act=act)
        self.se = squeeze_excite(in_chans, se_ratio, divisor=se_divisor, act=se_act, gate=se_gate)
        self.pw = pointwise(in_chans, out_chans, act="none" if linear else act)
        self.residual = residual and stride == 1 and in_chans == out_chans and kernel % 2 == 1
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.pw(self.se(self.dw(x)))
        return x + self.drop_path(y) if self.residual else y
