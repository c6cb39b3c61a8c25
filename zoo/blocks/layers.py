"""The layers that blocks are made of, each named by what it makes."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

Act = Literal["none", "relu", "relu6", "hard_swish", "silu", "gelu", "sigmoid", "hard_sigmoid", "prelu"]
Kernel = Annotated[int, Field(ge=1, le=31)]
Groups = Annotated[int, Field(ge=1, le=4096)]
Dilation = Annotated[int, Field(ge=1, le=32)]
Ratio = Annotated[float, Field(gt=0, le=64)]
SeRatio = Annotated[float, Field(ge=0, le=1)]
SeOf = Literal["middle", "input"]
Divisor = Annotated[int, Field(ge=1, le=64)]

_ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda _: nn.Identity(),
    "relu": lambda _: nn.ReLU(inplace=True),
    "relu6": lambda _: nn.ReLU6(inplace=True),
    "hard_swish": lambda _: nn.Hardswish(inplace=True),
    "silu": lambda _: nn.SiLU(inplace=True),
    "gelu": lambda _: nn.GELU(),
    "sigmoid": lambda _: nn.Sigmoid(),
    "hard_sigmoid": lambda _: nn.Hardsigmoid(),  # relu6(x + 3) / 6
    "prelu": nn.PReLU,
}


def activation(name: str, chans: int = 1) -> nn.Module:
    """Return a new activation module called `name`; "prelu" learns a slope for each of `chans` channels."""
    return _ACTIVATIONS[name](chans)


def make_divisible(channels: float, divisor: int = 8, *, round_limit: float = 0.9) -> int:
    """Round `channels` to a multiple of `divisor`, never more than 10 % down (MobileNet reference code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < round_limit * channels else rounded


def pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    """Pad (N, C, H, W) as TensorFlow's 'SAME' does: the surplus pixel goes to the bottom and to the right."""
    pads: list[int] = []
    for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        pad = max((math.ceil(size / s) - 1) * s + (k - 1) * d + 1 - size, 0)
        pads = [pad // 2, pad - pad // 2, *pads]  # F.pad wants the last dimension first
    return F.pad(x, pads)


torch.fx.wrap("pad_same")  # sizes are numbers there: symbolic tracing keeps it as one call


class Conv2d(nn.Conv2d):
    """A 2-D convolution that can pad as TensorFlow's 'SAME' does.

    `same_padding` is set by the network's spec; symmetric padding otherwise.
    """

    same_padding = False

    def reset_parameters(self) -> None:
        """Leave the weights unwritten: a spec is checked by building its blocks; `Network` fills them."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.same_padding:
            return super().forward(input)
        input = pad_same(input, self.kernel_size, self.stride, self.dilation)
        return F.conv2d(input, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def set_same_padding(module: nn.Module) -> None:
    """Make every convolution in `module` that pads pad as TensorFlow's 'SAME' does."""
    for layer in module.modules():
        if isinstance(layer, Conv2d) and layer.padding != (0, 0):
            layer.same_padding = True


def conv2d(
    in_chans: int,
    out_chans: int,
    kernel: int | tuple[int, int] = 1,
    *,
    stride: int | tuple[int, int] = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    padding: int | None = None,
) -> Conv2d:
    """Return a convolution that keeps the size at stride 1 (odd kernels), unless `padding` says otherwise."""
    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    pad = tuple((side - 1) // 2 * dilation if padding is None else padding for side in sides)
    return Conv2d(in_chans, out_chans, kernel, stride, pad, dilation, groups, bias)


class ConvNormAct(nn.Sequential):
    """Convolution, batch normalisation, activation: `conv`, `norm`, `act`; (N, C, H, W) in and out."""

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int | tuple[int, int] = 1,
        dilation: int = 1,
        groups: int = 1,
        act: str = "relu",
        bias: bool = False,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        conv = conv2d(
            in_chans, out_chans, kernel, stride=stride, dilation=dilation, groups=groups, bias=bias, padding=padding
        )
        self.add_module("conv", conv)
        self.add_module("norm", nn.BatchNorm2d(out_chans))
        if act != "none":
            self.add_module("act", activation(act, out_chans))


def pointwise(in_chans: int, out_chans: int, *, groups: int = 1, act: str = "relu", bias: bool = False) -> ConvNormAct:
    """Return a 1x1 convolution with normalisation and activation."""
    return ConvNormAct(in_chans, out_chans, 1, groups=groups, act=act, bias=bias)


def depthwise(
    chans: int, kernel: int, *, stride: int = 1, dilation: int = 1, act: str = "relu", bias: bool = False
) -> ConvNormAct:
    """Return a depthwise convolution with normalisation and activation."""
    return ConvNormAct(chans, chans, kernel, stride=stride, dilation=dilation, groups=chans, act=act, bias=bias)


class SqueezeExcite(nn.Module):
    """Channel attention: x * gate(expand(act(reduce(mean(x))))) (Hu et al., arXiv:1709.01507)."""

    def __init__(self, chans: int, reduced_chans: int, *, act: str = "relu", gate: str = "hard_sigmoid") -> None:
        super().__init__()
        self.reduce = conv2d(chans, reduced_chans, bias=True)
        self.act = activation(act, reduced_chans)
        self.expand = conv2d(reduced_chans, chans, bias=True)
        self.gate = activation(gate)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True)))))


def squeeze_excite(
    chans: int, ratio: float, *, of: int | None = None, divisor: int = 8, act: str = "relu", gate: str = "hard_sigmoid"
) -> nn.Module:
    """Return squeeze-and-excitation of `chans`, or an identity when `ratio` is 0.

    The reduced channels are `ratio` times `of` (default `chans`), rounded to a multiple of `divisor`.
    """
    if not ratio:
        return nn.Identity()
    return SqueezeExcite(chans, make_divisible((of or chans) * ratio, divisor), act=act, gate=gate)


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave `groups` groups of channels (Zhang et al., arXiv:1707.01083, section 3.1)."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class DropPath(nn.Module):
    """Stochastic depth: drops the whole branch of a sample while training (Huang et al., arXiv:1603.09382)."""

    rate = 0.0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        return x * torch.bernoulli(torch.full((x.shape[0], 1, 1, 1), keep, device=x.device, dtype=x.dtype)) / keep


def require(condition: bool, message: str) -> None:
    """Raise ValueError with `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def require_multiple(chans: int, of: int, what: str) -> None:
    """Raise ValueError unless `chans` is a positive multiple of `of`."""
    require(chans > 0 and chans % of == 0, f"{what} ({chans}) must be a multiple of {of}")
