import itertools

import numpy as np
import pytest
import torch
from torch import nn

from zoo import EdgezooError
from zoo.blocks.layers import activation


def brute_force(codes: np.ndarray) -> float:
    images, units = codes.shape
    kernel = np.zeros((images, images))
    for i, j in itertools.product(range(images), repeat=2):
        kernel[i, j] = units - sum(codes[i, k] != codes[j, k] for k in range(units))
    return np.linalg.slogdet(kernel)[1]


@pytest.mark.parametrize("act", ["relu", "relu6", "hard_swish", "silu", "gelu", "prelu"])
def test_one_layer_by_brute_force_whatever_its_activation(score, linear, batch, act):
    network = nn.Sequential(_WithUnits(linear), activation(act, 17))
    with torch.no_grad():
        codes = (linear(batch[0]) > 0).numpy()
    # five units alone give two images the same code: det 0
    codes = np.concatenate([codes, np.eye(12, dtype=bool)], 1)
    assert score("nwot", network, *batch) == pytest.approx(brute_force(codes), rel=1e-9)


class _WithUnits(nn.Module):
    """The outputs of a layer and, beside them, one unit that only one image switches on, for each image."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return torch.cat([self.layer(x), 2 * torch.eye(len(x)) - 1], 1)


def test_layers_add_up_and_functions_count_like_modules(score, batch):
    torch.manual_seed(1)

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(192, 20), nn.Linear(20, 30)

        def forward(self, x):
            return nn.functional.relu(self.second(torch.relu(self.first(x.flatten(1)))))

    network = Functional()
    with torch.no_grad():
        hidden = network.first(batch[0].flatten(1))
        codes = torch.cat([hidden > 0, network.second(hidden.relu()) > 0], 1).numpy()
    assert score("nwot", network, *batch) == pytest.approx(brute_force(codes), rel=1e-9)


def test_labels_do_not_matter(score, batch):
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
    images, labels = batch
    assert score("nwot", network, images, labels) == score("nwot", network, images, 4 - labels)


def test_a_network_without_activation_has_no_score(score, linear, batch):
    with pytest.raises(EdgezooError, match="no activation"):
        score("nwot", linear, *batch)
