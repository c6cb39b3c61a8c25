import dataclasses
import random

import numpy as np
import pytest

from search.supernet import Supernet, SupernetConfig, train

CONFIG = SupernetConfig(epochs=4, batch_size=64, random_networks=1)


@pytest.fixture(scope="package")
def tiny_supernet(tiny):
    return Supernet(tiny, 10, 1)


@pytest.fixture(scope="package")
def few_digits(digits):
    """The digits with few images to train on."""
    return dataclasses.replace(digits, train=digits.train.subset(np.arange(200)))


@pytest.fixture(scope="package")
def trained(small_space, few_digits, tmp_path_factory):
    """A supernet after a training that is only long enough to be stopped, its file and history."""
    path = tmp_path_factory.mktemp("supernet") / "trained.safetensors"
    supernet = Supernet(small_space, few_digits.num_classes, few_digits.in_chans)
    history = train(supernet, few_digits, CONFIG, path=path)
    return supernet, path, history


@pytest.fixture(scope="package")
def networks(small_space):
    rng = random.Random(1)
    return [small_space.sample(rng) for _ in range(6)]
