"""Dense layer with a learned group convolution (CondenseNet, Huang et al., arXiv:1711.09224)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import (
    Act,
    Dilation,
    Groups,
    Kernel,
    Ratio,
    activation,
    channel_shuffle,
    conv2d,
    make_divisible,
    require,
    require_multiple,
)
from zoo.blocks.learned_group_conv import LASSO, LearnedGroupConv2d

CondenseFactor = Annotated[int, Field(ge=1, le=64)]


@BLOCKS.register("condense")
class Condense(nn.Module):
    """Norm, act, learned group 1x1, norm, act, group k x k; the new channels are put behind the input's.

    The output must have more channels than the input, the growth. With a stride an average pool comes first, the
    transition between two stages. `deployed`: the inputs that the groups have learned are picked by `index`, then
    follow an ordinary group convolution and a shuffle.

    Args:
        groups: of both convolutions.
        condense_factor: each group of the 1x1 convolution ends with 1/`condense_factor` of the inputs.
        bottleneck: middle channels = growth x bottleneck, rounded to a multiple of `groups`.
        lasso: weight of the group lasso in the loss.
    """

    index: Tensor | None

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        kernel: Kernel = 3,
        dilation: Dilation = 1,
        groups: Groups = 4,
        condense_factor: CondenseFactor = 4,
        bottleneck: Ratio = 4.0,
        act: Act = "relu",
        lasso: Annotated[float, Field(ge=0, le=1)] = LASSO,
        deployed: bool = False,
    ) -> None:
        super().__init__()
        growth = out_chans - in_chans
        require(growth > 0, f"a dense layer adds channels: {in_chans} in, {out_chans} out")
        require_multiple(growth, groups, "output less input channels")
        require_multiple(in_chans, condense_factor, "input channels")
        require(kernel % 2 == 1, f"kernel must be odd, got {kernel}")
        mid_chans = make_divisible(growth * bottleneck, groups)
        seen_chans = in_chans // condense_factor * groups if deployed else in_chans
        self.groups, self.deployed = groups, deployed
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        # a fresh shipped form has nothing learned: the inputs are dealt out in order
        self.register_buffer("index", torch.arange(seen_chans) % in_chans if deployed else None)
        self.norm1 = nn.BatchNorm2d(seen_chans)
        self.act1 = activation(act, seen_chans)
        if deployed:
            self.reduce = conv2d(seen_chans, mid_chans, groups=groups)
        else:
            self.reduce = LearnedGroupConv2d(
                in_chans, mid_chans, groups=groups, condense_factor=condense_factor, lasso=lasso
            )
        self.norm2 = nn.BatchNorm2d(mid_chans)
        self.act2 = activation(act, mid_chans)
        self.conv = conv2d(mid_chans, growth, kernel, dilation=dilation, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        y = x if self.index is None else x.index_select(1, self.index)
        y = self.reduce(self.act1(self.norm1(y)))
        if self.deployed:
            y = channel_shuffle(y, self.groups)
        return torch.cat((x, self.conv(self.act2(self.norm2(y)))), 1)

    def deployed_state(self) -> dict[str, Tensor]:
        """Return the state of the shipped form; a layer that is not condensed yet keeps its strongest inputs."""
        state = self.state_dict()
        if not isinstance(self.reduce, LearnedGroupConv2d):
            return state
        del state["reduce.mask"]
        index = self.reduce.kept_inputs().flatten()
        for key, value in state.items():
            if key.startswith(("norm1.", "act1.")) and value.ndim:
                state[key] = value[index]
        return state | {"index": index, "reduce.weight": self.reduce.kept_weight()}
