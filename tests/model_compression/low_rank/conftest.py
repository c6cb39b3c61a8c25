"""Layers of every sort that decompositions take."""

import pytest
import torch
from torch import nn

from zoo.blocks.layers import Conv2d

CONVS = {
    "plain": {"padding": 1},
    "strided": {"padding": 1, "stride": 2},
    "strided unequally": {"padding": (1, 0), "stride": (1, 2)},
    "dilated": {"padding": 2, "dilation": 2},
    "same": {"padding": "same"},
    "without padding": {},
    "circular": {"padding": 1, "padding_mode": "circular"},
    "reflected": {"padding": 1, "padding_mode": "reflect", "stride": 2},
    "without bias": {"padding": 1, "bias": False},
}


@pytest.fixture(params=[*CONVS, "TensorFlow's same"])
def conv(request) -> nn.Conv2d:
    """A 3x3 convolution from 6 to 8 channels."""
    torch.manual_seed(0)
    if request.param in CONVS:
        return nn.Conv2d(6, 8, 3, **CONVS[request.param]).eval()
    layer = Conv2d(6, 8, 3, stride=2, padding=1)
    nn.Conv2d.reset_parameters(layer)
    layer.same_padding = True
    return layer.eval()


@pytest.fixture
def correlated() -> torch.Tensor:
    """Images (64, 6, 10, 9) of smooth noise whose channels depend on each other."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(64, 3, 12, 11, generator=generator)
    smooth = nn.functional.avg_pool2d(noise, 3, 1)
    mixed = torch.einsum("oc,nchw->nohw", torch.randn(6, 3, generator=generator), smooth)
    return mixed + 0.05 * torch.randn(mixed.shape, generator=generator)
