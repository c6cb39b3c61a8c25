import math

import numpy as np
import pytest
import torch
from torch import nn

import zoo


def chain() -> nn.Sequential:
    layers = [nn.Linear(192, 9), nn.BatchNorm1d(9), nn.ReLU6(), nn.Linear(9, 7), nn.Hardswish(), nn.Linear(7, 5)]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.Flatten(), *layers)


def test_a_chain_of_linear_layers_is_a_product(score, batch):
    network = chain()
    product = np.ones(192)
    for index in (1, 4, 6):
        product = np.abs(network[index].weight.detach().double().numpy()) @ product
    # each layer's weights times their slopes add up to all that comes out
    assert score("synflow", network, *batch) == pytest.approx(math.log(3 * product.sum()), rel=1e-9)


def test_images_and_labels_do_not_matter(score, batch):
    network = zoo.get_spec("mobilenetv3_small_100").at_resolution(32).build(5, 3, seed=0)
    images, labels = batch
    assert score("synflow", network, images, labels) == score("synflow", network, -3 * images, 4 - labels)


def test_depth_does_not_overflow(score, batch):
    layers = [nn.Conv2d(64, 64, 3, padding=1, bias=False) for _ in range(60)]
    for layer in layers:
        nn.init.constant_(layer.weight, 0.1)  # each makes a map up to 57.6 times larger: 1e105 after all of them
    value = score("synflow", nn.Sequential(nn.Conv2d(3, 64, 1), *layers), *batch)
    assert 60 * math.log(57.6) * 0.8 < value < 60 * math.log(57.6) + 20
    assert torch.finfo(torch.float32).max < math.exp(value)
