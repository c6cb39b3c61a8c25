"""The layers that blocks are made of, each named by what it makes."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

Act = Literal["none", "relu", "relu6", "hard_swish", "silu", "gelu", "sigmoid", "hard_sigmoid"]
Kernel = Annotated[int, Field(ge=1, le=31)]
Groups = Annotated[int, Field(ge=1, le=4096)]
Ratio = Annotated[float, Field(gt=0, le=64)]
SeRatio = Annotated[float, Field(ge=0, le=1)]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "hard_swish": lambda: nn.Hardswish(inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": nn.Hardsigmoid,  # relu6(x + 3) / 6
}


def activation(name: str) -> nn.Module:
    """Return a new activation module called `name`."""
    return _ACTIVATIONS[name]()


def make_divisible(channels: float, divisor: int = 8, *, round_limit: float = 0.9) -> int:
    """Round `channels` to a multiple of `divisor`, never more than 10 % down (MobileNet reference code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < round_limit * channels else rounded


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
        (kh, kw), (sh, sw), (dh, dw) = self.kernel_size, self.stride, self.dilation
        pad_h = max((math.ceil(input.shape[-2] / sh) - 1) * sh + (kh - 1) * dh + 1 - input.shape[-2], 0)
        pad_w = max((math.ceil(input.shape[-1] / sw) - 1) * sw + (kw - 1) * dw + 1 - input.shape[-1], 0)
        input = F.pad(input, (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2))
        return F.conv2d(input, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def conv2d(
    in_chans: int,
    out_chans: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    padding: int | None = None,
) -> Conv2d:
    """Return a convolution that keeps the size at stride 1 (odd kernels), unless `padding` says otherwise."""
    pad = (kernel - 1) // 2 if padding is None else padding
    return Conv2d(in_chans, out_chans, kernel, stride, pad, groups=groups, bias=bias)


class ConvNormAct(nn.Sequential):
    """Convolution, batch normalisation, activation: `conv`, `norm`, `act`; (N, C, H, W) in and out."""

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        act: str = "relu",
        padding: int | None = None,
    ) -> None:
        super().__init__()
        self.add_module("conv", conv2d(in_chans, out_chans, kernel, stride=stride, groups=groups, padding=padding))
        self.add_module("norm", nn.BatchNorm2d(out_chans))
        if act != "none":
            self.add_module("act", activation(act))


def pointwise(in_chans: int, out_chans: int, *, groups: int = 1, act: str = "relu") -> ConvNormAct:
    """Return a 1x1 convolution with normalisation and activation."""
    return ConvNormAct(in_chans, out_chans, 1, groups=groups, act=act)


def depthwise(chans: int, kernel: int, *, stride: int = 1, act: str = "relu") -> ConvNormAct:
    """Return a depthwise convolution with normalisation and activation."""
    return ConvNormAct(chans, chans, kernel, stride=stride, groups=chans, act=act)


class SqueezeExcite(nn.Module):
    """Channel attention: x * gate(expand(act(reduce(mean(x))))) (Hu et al., arXiv:1709.01507)."""

    def __init__(self, chans: int, reduced_chans: int, *, act: str = "relu", gate: str = "hard_sigmoid") -> None:
        super().__init__()
        self.reduce = conv2d(chans, reduced_chans, bias=True)
        self.act = activation(act)
        self.expand = conv2d(reduced_chans, chans, bias=True)
        self.gate = activation(gate)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True)))))


def squeeze_excite(chans: int, ratio: float, *, divisor: int = 8, **names: str) -> nn.Module:
    """Return squeeze-and-excitation reducing `chans` by `ratio`, or an identity when `ratio` is 0."""
    return SqueezeExcite(chans, make_divisible(chans * ratio, divisor), **names) if ratio else nn.Identity()


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
