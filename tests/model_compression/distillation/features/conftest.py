"""Features of a batch, of equal and of different shapes."""

import pytest
import torch

from model_compression.distillation.features import Features, Shapes


def random_features(channels, sizes, embedding, *, seed, count=6):
    generator = torch.Generator().manual_seed(seed)
    maps = [torch.randn(count, c, s, s, generator=generator) for c, s in zip(channels, sizes, strict=True)]
    return Features(maps, torch.randn(count, embedding, generator=generator))


def shapes_of(features):
    return Shapes(tuple(tuple(m.shape[1:]) for m in features.maps), features.embedding.shape[1])


@pytest.fixture
def labels():
    return torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.fixture
def student():
    return random_features((4, 6), (8, 4), 10, seed=0)


@pytest.fixture
def twin():
    """Another network of the same shapes."""
    return random_features((4, 6), (8, 4), 10, seed=1)


@pytest.fixture
def teacher():
    """Another network of other shapes."""
    return random_features((5, 9), (6, 3), 12, seed=2)


@pytest.fixture
def build():
    """Make a loss for two networks' features, its own weights always the same."""
    from model_compression.distillation.features import FEATURE_LOSSES

    def make(name, student, teacher, **settings):
        torch.manual_seed(0)
        return FEATURE_LOSSES.get(name)(shapes_of(student), shapes_of(teacher), **settings)

    return make
