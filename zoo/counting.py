"""Parameters and multiply-adds of a network, counted without running it."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Complexity:
    """What a network costs on paper.

    Attributes:
        params: learned values.
        macs: multiply-adds of convolutions, linear layers and matrix products for one image.
    """

    params: int
    macs: int


def complexity(module: nn.Module, input_shape: tuple[int, int, int]) -> Complexity:
    """Count `module` for one image of `input_shape` (C, H, W); on the meta device nothing is computed.

    The operators counted are those whose sum the literature publishes: fvcore's convolution, linear and matrix
    product handles give the same number, its defaults add batch norm and pooling.
    """
    macs = macs_by_module(module, input_shape)
    return Complexity(sum(p.numel() for p in module.parameters()), macs[""])


def macs_by_module(module: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, int]:
    """Return the multiply-adds of one image of `input_shape` (C, H, W) by the module's path inside `module`.

    The whole is found under ""; a module without multiply-adds is not there.
    """
    parameter = next(module.parameters(), torch.empty(0))
    image = torch.empty(1, *input_shape, device=parameter.device, dtype=parameter.dtype)
    modes = {layer: layer.training for layer in module.modules()}
    module.eval()
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(image)
    finally:
        for layer, training in modes.items():
            layer.training = training
    macs = {path: sum(by_operator.values()) // 2 for path, by_operator in counter.get_flop_counts().items()}
    whole = macs.pop("Global", 0)
    return {"": whole} | {path.partition(".")[2]: count for path, count in macs.items() if "." in path}
