"""A network that knows the digits, one layer of which does nothing, and a device that counts multiply-adds."""

import contextlib

import pytest
import torch

from zoo import ArchSpec, BlockSpec, complexity
from zoo.training import TrainConfig, train

_RESIDUAL = BlockSpec(kind="inverted_residual", out_chans=16, options={"expand": 2.0})
SPEC = ArchSpec(
    resolution=16,
    blocks=(BlockSpec(kind="conv", out_chans=16, stride=2), _RESIDUAL, BlockSpec(kind="conv", out_chans=32, stride=2)),
)


class Counting:
    """Ten million multiply-adds take a millisecond."""

    def cost(self, shape):
        return contextlib.nullcontext(lambda network: complexity(network, shape[1:]).macs / 1e7)


@pytest.fixture(scope="package")
def idle() -> str:
    """The name of the layer that does nothing: the last of the branch beside a shortcut."""
    network = SPEC.build(10, 1, seed=0)
    convs = [name for name, layer in network.named_modules() if isinstance(layer, torch.nn.Conv2d)]
    return [name for name in convs if name.startswith("blocks.1")][-1]


@pytest.fixture(scope="package")
def network(digits, idle):
    network = SPEC.build(digits.num_classes, digits.in_chans, seed=0)
    norms = [m for n, m in network.named_modules() if n.startswith("blocks.1") and isinstance(m, torch.nn.BatchNorm2d)]
    for parameter in (network.get_submodule(idle).weight, norms[-1].weight, norms[-1].bias):
        torch.nn.init.zeros_(parameter).requires_grad_(False)
    train(network, digits, TrainConfig(epochs=8), resolution=16)
    return network.eval()
