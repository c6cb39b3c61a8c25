from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from search.scores.training_free import PROXIES


@pytest.fixture(params=["one", "two"])
def batch(request) -> tuple[Tensor, Tensor]:
    """12 images of 3 channels and 8 pixels, and their labels of 5 classes."""
    generator = torch.Generator().manual_seed({"one": 1, "two": 2}[request.param])
    return torch.randn(12, 3, 8, 8, generator=generator), torch.randint(0, 5, (12,), generator=generator)


@pytest.fixture
def linear() -> nn.Sequential:
    """A linear classifier of those images, whose gradients a hand can write down."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))


@pytest.fixture
def linear_gradient(linear) -> Callable[[Tensor, Tensor], Tensor]:
    """A function that returns the gradient of the cross entropy: (softmax - onehot)^T x / N."""

    def gradient(images: Tensor, labels: Tensor) -> Tensor:
        x = images.flatten(1).double()
        layer = linear[1]
        scores = x @ layer.weight.detach().double().T + layer.bias.detach().double()
        return (scores.softmax(1) - nn.functional.one_hot(labels, 5)).T @ x / len(x)

    return gradient


@pytest.fixture
def score() -> Callable[..., float]:
    """A function that computes a score by its name."""
    return lambda name, network, images, labels: PROXIES.get(name)(network, images, labels)
