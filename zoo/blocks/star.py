"""Two pointwise convolutions multiplied (StarNet, arXiv:2403.19967)."""

from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    ConvNormAct,
    DropPath,
    Kernel,
    Ratio,
    activation,
    conv2d,
    depthwise,
    pointwise,
    require,
)


@BLOCKS.register("star")
class Star(nn.Module):
    """Depthwise, act(pointwise) * pointwise, pointwise, depthwise; added to the input.

    Where the shape changes, a linear 3x3 convolution comes first. Every convolution has a bias.

    Args:
        kernel: of both depthwise convolutions, odd.
        expand: middle channels = output channels x expand.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 7,
        expand: Ratio = 4.0,
        act: Act = "relu6",
    ) -> None:
        super().__init__()
        mid_chans = int(out_chans * expand)
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        require(mid_chans > 0, f"expand {expand} leaves none of {out_chans} channels")
        keeps_shape = stride == 1 and in_chans == out_chans
        self.down = (
            nn.Identity() if keeps_shape else ConvNormAct(in_chans, out_chans, 3, stride=stride, act="none", bias=True)
        )
        self.dw = depthwise(out_chans, kernel, act="none", bias=True)
        self.left = conv2d(out_chans, mid_chans, bias=True)
        self.right = conv2d(out_chans, mid_chans, bias=True)
        self.project = pointwise(mid_chans, out_chans, act="none", bias=True)
        self.last_dw = conv2d(out_chans, out_chans, kernel, groups=out_chans, bias=True)
        self.act = activation(act, mid_chans)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y = self.dw(x)
        y = self.act(self.left(y)) * self.right(y)
        return x + self.drop_path(self.last_dw(self.project(y)))
