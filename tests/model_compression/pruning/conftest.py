"""A small network that knows the digits, and a device whose costs are a staircase."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from model_compression.pruning.channels import ChannelGroup, channel_groups
from model_compression.pruning.samples import labelled_batches
from zoo.data import Splits, load_data
from zoo.training.evaluation import accuracy
from zoo.training.loop import TrainConfig, train

SHAPE = (1, 1, 8, 8)


def conv(in_chans: int, out_chans: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(in_chans, out_chans, 3, stride, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out_chans), nn.ReLU())


class Pooled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def make_digit_network(width: int = 16) -> nn.Sequential:
    torch.manual_seed(0)
    layers = (conv(1, width), conv(width, width, 2), conv(width, 2 * width), Pooled(), nn.Linear(2 * width, 10))
    return nn.Sequential(*layers)


@pytest.fixture(scope="session")
def small_digits() -> Splits:
    return load_data("digits", resolution=8)


@pytest.fixture(scope="session")
def trained_once(small_digits: Splits) -> nn.Module:
    network = make_digit_network()
    train(network, small_digits, TrainConfig(epochs=6, lr=0.1), resolution=8)
    return network


@pytest.fixture
def trained(trained_once: nn.Module) -> nn.Module:
    return copy.deepcopy(trained_once)


@pytest.fixture(scope="session")
def groups(trained_once: nn.Module) -> tuple[ChannelGroup, ...]:
    return channel_groups(trained_once, SHAPE)


@pytest.fixture(scope="session")
def batches(small_digits: Splits) -> list[tuple[Tensor, Tensor]]:
    return labelled_batches(small_digits, resolution=8, images=256)


@pytest.fixture(scope="session")
def evaluate(small_digits: Splits) -> Callable[[nn.Module], float]:
    return lambda network: accuracy(network, small_digits.val, small_digits, 8)


def staircase_ms(network: nn.Module) -> float:
    """Milliseconds on a device that computes 4 output channels at once and reads 2 at once; what is odd is slow."""
    total = 0.1
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            work = math.ceil(layer.out_channels / 4) * math.ceil(layer.in_channels / 2) * 0.01
            total += work * (2 if layer.out_channels % 4 else 1)
    return total
