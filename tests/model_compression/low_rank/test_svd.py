import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from model_compression.low_rank import DECOMPOSITIONS
from model_compression.low_rank.layers import effective_weight

SVD = DECOMPOSITIONS.get("svd")()


@pytest.mark.parametrize("layer", [nn.Linear(12, 9), nn.Conv2d(12, 9, 1), nn.Conv2d(5, 9, 3)])
def test_the_error_is_that_of_the_singular_values_left_out(layer):
    weight = layer.weight.detach().double().flatten(1).numpy()
    values = np.linalg.svd(weight, compute_uv=False)
    for rank in range(1, 9):
        small = SVD.decompose(layer.double(), (rank,))
        error = np.linalg.norm(effective_weight(small, layer).flatten(1).numpy() - weight)
        assert error == pytest.approx(np.sqrt((values[rank:] ** 2).sum()), rel=1e-6)


def test_with_a_covariance_it_is_the_svd_of_the_whitened_weight():
    layer = nn.Linear(10, 7).double()
    mixing = torch.randn(10, 10, dtype=torch.float64)
    covariance = mixing @ mixing.T + 0.1 * torch.eye(10)
    regular = covariance + 1e-4 * covariance.diagonal().mean() * torch.eye(10)
    root = np.real(sqrtm(regular.numpy()))
    values = np.linalg.svd(layer.weight.detach().numpy() @ root, compute_uv=False)
    for rank in (1, 3, 5):
        small = SVD.decompose(layer, (rank,), covariance)
        difference = (effective_weight(small, layer).flatten(1) - layer.weight.detach()).numpy()
        assert np.linalg.norm(difference @ root) == pytest.approx(np.sqrt((values[rank:] ** 2).sum()), rel=1e-5)


@pytest.mark.parametrize(
    ("layer", "images"),
    [
        (nn.Linear(12, 9), torch.randn(3, 5, 12)),
        (nn.Linear(9, 12, bias=False), torch.randn(3, 9)),
        (nn.Conv2d(12, 9, 1, stride=2, padding=1), torch.randn(2, 12, 7, 7)),
    ],
)
def test_at_full_rank_the_layer_is_computed(layer, images):
    torch.testing.assert_close(SVD.decompose(layer, (9,))(images), layer(images), atol=1e-5, rtol=1e-4)


def test_both_small_layers_are_equally_large():
    small = SVD.decompose(nn.Linear(30, 20), (8,))
    torch.testing.assert_close(small[0].weight.norm(dim=1), small[1].weight.norm(dim=0), atol=1e-4, rtol=1e-4)
