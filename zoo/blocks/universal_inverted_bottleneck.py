"""Universal inverted bottleneck, UIB (MobileNetV4, arXiv:2404.10518)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import Act, Dilation, DropPath, Ratio, depthwise, make_divisible, pointwise, require

OptionalKernel = Annotated[int, Field(ge=0, le=31)]


@BLOCKS.register("universal_inverted_bottleneck")
class UniversalInvertedBottleneck(nn.Module):
    """[Depthwise], pointwise expansion, [depthwise], linear projection; added to the input if shapes allow.

    Both depthwise convolutions make the paper's ExtraDW, the middle one alone an inverted bottleneck, the first one
    alone a ConvNext block, none a feed-forward network.

    Args:
        start_kernel: of the depthwise convolution before the expansion, which has no activation; 0 = none.
        mid_kernel: of the one behind it; 0 = none. It takes the stride; without it the first one does.
        expand: middle channels = input channels x expand, rounded to a multiple of 8.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        start_kernel: OptionalKernel = 3,
        mid_kernel: OptionalKernel = 3,
        dilation: Dilation = 1,
        expand: Ratio = 4.0,
        act: Act = "relu",
    ) -> None:
        super().__init__()
        kernels = [kernel for kernel in (start_kernel, mid_kernel) if kernel]
        require(stride == 1 or bool(kernels), "a stride needs a start_kernel or a mid_kernel")
        mid_chans = make_divisible(in_chans * expand)
        start_stride, mid_stride = (1, stride) if mid_kernel else (stride, 1)
        self.dw_start = _depthwise(in_chans, start_kernel, stride=start_stride, dilation=dilation, act="none")
        self.expand = pointwise(in_chans, mid_chans, act=act)
        self.dw_mid = _depthwise(mid_chans, mid_kernel, stride=mid_stride, dilation=dilation, act=act)
        self.project = pointwise(mid_chans, out_chans, act="none")
        self.residual = stride == 1 and in_chans == out_chans and all(kernel % 2 for kernel in kernels)
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.dw_mid(self.expand(self.dw_start(x))))
        return x + self.drop_path(y) if self.residual else y


def _depthwise(chans: int, kernel: int, *, stride: int, dilation: int, act: str) -> nn.Module:
    """Return a depthwise convolution, or an identity when `kernel` is 0."""
    return depthwise(chans, kernel, stride=stride, dilation=dilation, act=act) if kernel else nn.Identity()
