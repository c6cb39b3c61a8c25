"""Plain convolution with normalisation and activation."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import Act, Dilation, DropPath, Groups, Kernel, activation, conv2d, require_multiple


@BLOCKS.register("conv")
class Conv(nn.Module):
    """`kernel` x `kernel` convolution, then batch norm and activation.

    Args:
        groups: of the convolution; must divide both channel counts.
        norm: batch normalisation.
        bias: of the convolution; by default it has one where there is no norm (SqueezeNet, AlexNet).
        padding: pixels a side; the default keeps the size at stride 1.
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
        groups: Groups = 1,
        act: Act = "relu",
        norm: bool = True,
        bias: bool | None = None,
        padding: Annotated[int, Field(ge=0, le=31)] | None = None,
        residual: bool = False,
    ) -> None:
        super().__init__()
        require_multiple(in_chans, groups, "input channels")
        require_multiple(out_chans, groups, "output channels")
        bias = not norm if bias is None else bias
        self.conv = conv2d(
            in_chans, out_chans, kernel, stride=stride, dilation=dilation, groups=groups, bias=bias, padding=padding
        )
        self.norm = nn.BatchNorm2d(out_chans) if norm else nn.Identity()
        self.act = activation(act, out_chans)
        same_size = padding is None and kernel % 2 == 1
        self.residual = residual and stride == 1 and in_chans == out_chans and same_size
        self.drop_path = DropPath() if self.residual else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.norm(self.conv(x)))
        return x + self.drop_path(y) if self.residual else y
