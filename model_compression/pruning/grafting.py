"""Layer grafting: rectifiers that matter little become straight lines, and two layers around a line are one."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model_compression.errors import PruningError
from model_compression.methods import method


class GraftedReLU(nn.Module):
    """max(0, x), or a x + b for the channels in `linear`; (N, C, H, W) in and out.

    Attributes:
        slope, offset: (C,), learned; used where `linear` (C,) is True.
    """

    linear: Tensor

    def __init__(self, linear: Tensor, slope: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("linear", linear)
        self.slope, self.offset = nn.Parameter(slope), nn.Parameter(offset)

    def forward(self, x: Tensor) -> Tensor:
        mask, slope, offset = (v.view(-1, 1, 1) for v in (self.linear, self.slope, self.offset))
        return torch.where(mask, slope * x + offset, F.relu(x))


@method("linear-grafting", "pruning", paper="layer grafting by linearity, 2022")
@torch.no_grad()
def graft(network: nn.Module, images: Tensor, share: float, *, layers: Sequence[str] | None = None) -> nn.Module:
    """Return a copy in which a share of the rectified channels, those nearest to a line, is linear.

    The line of each channel is the least-squares fit of max(0, x) on what `images` (N, C, H, W) give; train the copy to
    improve slopes and offsets, then `merge` the layers around.

    Args:
        layers: names of nn.ReLU modules, each called once on maps; all by default.

    Raises PruningError for a name that is no nn.ReLU.
    """
    if not 0 <= share <= 1:
        raise PruningError(f"the share of channels to graft must be 0..1, got {share}")
    grafted = copy.deepcopy(network).eval()
    modules = dict(grafted.named_modules())
    names = [n for n, m in modules.items() if isinstance(m, nn.ReLU)] if layers is None else list(layers)
    for name in names:
        if not isinstance(modules.get(name), nn.ReLU):
            raise PruningError(f"layer {name!r} is no nn.ReLU that could be grafted")
    fits: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def note(name: str) -> torch.utils.hooks.RemovableHandle:
        def fit(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if inputs[0].ndim == 4:
                fits[name] = _line(inputs[0].transpose(0, 1).flatten(1))

        return modules[name].register_forward_pre_hook(fit)

    handles = [note(name) for name in names]
    grafted(images)
    for handle in handles:
        handle.remove()
    if not fits:
        return grafted
    errors = torch.cat([error for _, _, error in fits.values()])
    chosen = torch.zeros(len(errors), dtype=torch.bool)
    chosen[errors.argsort()[: round(share * len(errors))]] = True
    for (name, (slope, offset, _)), mask in zip(
        fits.items(), chosen.split([len(s) for s, _, _ in fits.values()]), strict=True
    ):
        outer, _, own = name.rpartition(".")
        setattr(grafted.get_submodule(outer) if outer else grafted, own, GraftedReLU(mask.clone(), slope, offset))
    return grafted


class Merged(nn.Module):
    """Two convolutions around a partly linear rectifier: what is linear is one convolution beside the others."""

    def __init__(self, straight: nn.Conv2d, first: nn.Conv2d | None, second: nn.Conv2d | None) -> None:
        super().__init__()
        self.straight, self.first, self.second = straight, first, second

    def forward(self, x: Tensor) -> Tensor:
        y = self.straight(x)
        if self.first is None or self.second is None:
            return y
        return y + self.second(F.relu(self.first(x)))


@torch.no_grad()
def merge(first: nn.Conv2d, act: GraftedReLU, second: nn.Conv2d, *, norm: nn.BatchNorm2d | None = None) -> Merged:
    """Return the layers first, [norm], act, second as one module that gives the same in evaluation mode.

    Channels that are linear go into one convolution of the first's kernel: the second has to be 1x1 of stride 1.
    Raises PruningError for grouped convolutions or another kernel of the second.
    """
    if first.groups > 1 or second.groups > 1 or getattr(first, "same_padding", False):
        raise PruningError("only convolutions without groups and with symmetric padding can be merged")
    if second.kernel_size != (1, 1) or second.stride != (1, 1) or second.padding != (0, 0):
        raise PruningError(f"the second convolution has to be 1x1 of stride 1, got {second.kernel_size}")
    if norm is not None:
        first = fuse_conv_bn_eval(copy.deepcopy(first).eval(), copy.deepcopy(norm).eval())
    mask = act.linear
    weight, bias = first.weight, torch.zeros(len(first.weight)) if first.bias is None else first.bias
    out = second.weight[:, :, 0, 0]
    slope = act.slope[mask]
    straight = _like(first, len(out), bias=True)
    straight.weight.copy_(torch.einsum("oc,cikl->oikl", out[:, mask] * slope, weight[mask]))
    constant = out[:, mask] @ (slope * bias[mask] + act.offset[mask])
    straight.bias = nn.Parameter(constant if second.bias is None else constant + second.bias)
    if bool(mask.all()):
        return Merged(straight, None, None)
    bent, read = _like(first, int((~mask).sum()), bias=True), nn.Conv2d(int((~mask).sum()), len(out), 1, bias=False)
    bent.weight.copy_(weight[~mask])
    bent.bias = nn.Parameter(bias[~mask])
    read.weight.copy_(second.weight[:, ~mask])
    return Merged(straight, bent, read)


def _line(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return slope, offset and mean squared error, by channel, of the line nearest to max(0, x); x is (C, values)."""
    y = F.relu(x)
    mean_x, mean_y = x.mean(1), y.mean(1)
    spread = (x - mean_x[:, None]).square().mean(1)
    slope = ((x - mean_x[:, None]) * (y - mean_y[:, None])).mean(1) / spread.clamp(min=1e-12)
    offset = mean_y - slope * mean_x
    return slope, offset, (slope[:, None] * x + offset[:, None] - y).square().mean(1)


def _like(layer: nn.Conv2d, out_chans: int, *, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(
        layer.in_channels, out_chans, layer.kernel_size, layer.stride, layer.padding, layer.dilation, bias=bias
    )
