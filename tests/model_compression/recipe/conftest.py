"""A trained toy network, and a staircase formula as the device."""

import contextlib

import pytest
from torch import nn

from model_compression.recipe import Interval, Job
from model_compression.recipe.structure import Compressed
from zoo import ArchSpec, BlockSpec
from zoo.training import TrainConfig, train

_BLOCKS = tuple(BlockSpec(kind="conv", out_chans=c, stride=s) for c, s in ((16, 2), (32, 1), (32, 2)))
SPEC = ArchSpec(resolution=16, blocks=_BLOCKS)


class Staircase:
    """Channels cost in steps of 8, those between two steps three times as much."""

    def cost(self, shape):
        return contextlib.nullcontext(self.ms)

    def layer_cost(self):
        return contextlib.nullcontext(lambda layer, shape: self.ms(layer))

    def compare(self, before, after, shape):
        every = (self.ms(state.network) for state in (before, after))
        return tuple(Interval(value=ms, low=ms, high=ms) for ms in every)

    def ms(self, network):
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        return sum(_width(x.in_channels) * _width(x.out_channels) / x.groups * x.kernel_size[0] ** 2 for x in layers)


def _width(channels):
    return channels if channels % 8 == 0 or channels < 8 else 3 * channels


@pytest.fixture(scope="package")
def trained(digits):
    network = SPEC.build(digits.num_classes, digits.in_chans, seed=0)
    train(network, digits, TrainConfig(epochs=6), resolution=16)
    return Compressed(SPEC, network.eval())


@pytest.fixture
def job(digits, tmp_path):
    return Job(digits, "onnxruntime", "fp32", TrainConfig(epochs=1, lr=0.02), "", tmp_path, Staircase())
