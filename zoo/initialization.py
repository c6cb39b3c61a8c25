"""The first weights of a network, by the schemes of the published training codes."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import nn

Scheme = Literal["tf", "he_fan_out", "he_fan_in", "shufflenet", "squeezenet", "xavier", "trunc_normal", "pytorch"]


def _tf(conv: nn.Conv2d) -> None:
    # fan-out of one group, as the TensorFlow code of depthwise networks has it
    fan_out = conv.weight[0, 0].numel() * conv.out_channels / conv.groups
    nn.init.normal_(conv.weight, std=(2 / fan_out) ** 0.5)


def _he_fan_out(conv: nn.Conv2d) -> None:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")


def _he_fan_in(conv: nn.Conv2d) -> None:
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")


def _shufflenet(conv: nn.Conv2d) -> None:
    # the authors' code: 0.01 for the first convolution, 1 / (input channels of a group) for the others
    first = conv.in_channels <= 3
    nn.init.normal_(conv.weight, std=0.01 if first else 1 / conv.weight.shape[1])


def _squeezenet(conv: nn.Conv2d) -> None:
    nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")


def _xavier(conv: nn.Conv2d) -> None:
    nn.init.xavier_uniform_(conv.weight)


def _trunc_normal(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.trunc_normal_(layer.weight, std=0.02)


def _pytorch(conv: nn.Conv2d) -> None:
    # uniform up to 1 / sqrt(fan-in): what a convolution of PyTorch has where nobody sets it
    nn.init.kaiming_uniform_(conv.weight, a=5**0.5)


_SCHEMES: dict[str, Callable[[nn.Conv2d], None]] = {
    "tf": _tf,
    "he_fan_out": _he_fan_out,
    "he_fan_in": _he_fan_in,
    "shufflenet": _shufflenet,
    "squeezenet": _squeezenet,
    "xavier": _xavier,
    "trunc_normal": _trunc_normal,
    "pytorch": _pytorch,
}
assert set(_SCHEMES) == set(get_args(Scheme))


def initialize(module: nn.Module, scheme: Scheme = "tf") -> None:
    """Fill `module` with fresh weights: convolutions by `scheme`, linear layers normal 0.01, biases zero.

    "trunc_normal" is for linear layers too.

    A layer with a method `init_weights` has the last word on its own weights.
    """
    fill = _SCHEMES[scheme]
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) or (isinstance(layer, nn.Linear) and scheme == "trunc_normal"):
                fill(layer)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        for layer in module.modules():
            if init_weights := getattr(layer, "init_weights", None):
                init_weights()
