"""Ghost bottleneck that adds where GhostNet concatenates, in order to be fused (RepGhost, arXiv:2211.06088)."""

from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.fusion import deployed_state_of_parts, fuse, identity_kernel
from zoo.blocks.ghost import shortcut
from zoo.blocks.layers import (
    Act,
    DropPath,
    Kernel,
    Ratio,
    SeRatio,
    activation,
    conv2d,
    depthwise,
    make_divisible,
    pointwise,
    require,
    squeeze_excite,
)


class RepGhostModule(nn.Module):
    """Pointwise convolution, then act(normalised depthwise + normalised input)."""

    def __init__(self, in_chans: int, out_chans: int, *, kernel: int, act: str, deployed: bool) -> None:
        super().__init__()
        self.deployed = deployed
        self.primary = pointwise(in_chans, out_chans, act=act)
        if deployed:
            self.cheap = conv2d(out_chans, out_chans, kernel, groups=out_chans, bias=True)
        else:
            self.identity = nn.BatchNorm2d(out_chans)
            self.cheap = depthwise(out_chans, kernel, act="none")
        self.act = activation(act, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        x = self.primary(x)
        return self.act(self.cheap(x) if self.deployed else self.cheap(x) + self.identity(x))

    def deployed_state(self) -> dict[str, Tensor]:
        """Return the state dict of the form with one depthwise convolution."""
        if self.deployed:
            return self.state_dict()
        kernel = self.cheap.conv.weight
        kernel, bias = fuse([(kernel, self.cheap.norm), (identity_kernel(kernel), self.identity)])
        kept = {name: value for name, value in self.state_dict().items() if name.startswith(("primary.", "act."))}
        return {"cheap.weight": kernel, "cheap.bias": bias, **kept}


@BLOCKS.register("rep_ghost")
class RepGhost(nn.Module):
    """RepGhost expansion, [depthwise stride], [SE], linear RepGhost projection, plus a shortcut, as in GhostNet.

    Args:
        expand: middle channels = input channels x expand, rounded to a multiple of 4.
        kernel: of the strided depthwise convolution and of the shortcut's.
        se_ratio: of squeeze-and-excitation with hard-sigmoid gate, relative to the middle channels; 0 = none.
        cheap_kernel: of the depthwise convolutions in the modules, odd.
        deployed: the modules' identity branches are in their depthwise convolutions.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        expand: Ratio = 1.5,
        act: Act = "relu",
        se_ratio: SeRatio = 0.0,
        cheap_kernel: Kernel = 3,
        deployed: bool = False,
    ) -> None:
        super().__init__()
        require(cheap_kernel % 2 == 1, f"cheap_kernel must be odd, got {cheap_kernel}")
        mid_chans = make_divisible(in_chans * expand, 4)
        self.expand = RepGhostModule(in_chans, mid_chans, kernel=cheap_kernel, act=act, deployed=deployed)
        self.dw = depthwise(mid_chans, kernel, stride=stride, act="none") if stride > 1 else nn.Identity()
        self.se = squeeze_excite(mid_chans, se_ratio, divisor=4)
        self.project = RepGhostModule(mid_chans, out_chans, kernel=cheap_kernel, act="none", deployed=deployed)
        self.shortcut = shortcut(in_chans, out_chans, kernel, stride)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.drop_path(self.project(self.se(self.dw(self.expand(x)))))

    def deployed_state(self) -> dict[str, Tensor]:
        """Return the state dict of the deployed form."""
        return deployed_state_of_parts(self)
