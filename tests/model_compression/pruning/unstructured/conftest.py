"""Toy networks, and the digits at their own size."""

import pytest
import torch
from torch import nn

from zoo.data import Splits, load_data
from zoo.training.preprocessing import normalize


@pytest.fixture(scope="session")
def small_digits() -> Splits:
    return load_data("digits", resolution=8)


@pytest.fixture(scope="session")
def batch(small_digits) -> tuple[torch.Tensor, torch.Tensor]:
    """64 normalised digits (64, 1, 8, 8) and their classes."""
    images = normalize(small_digits.train.images[:64], *small_digits.statistics())
    return images, small_digits.train.labels[:64]


@pytest.fixture
def perceptron():
    """Make 64-hidden-10 perceptrons for the digits."""

    def make(hidden: int = 32, *, seed: int = 0) -> nn.Sequential:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))

    return make


@pytest.fixture
def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(72, 10),
    )
