import numpy as np
import pytest
import torch
from torch import nn

from model_compression.low_rank import DECOMPOSITIONS
from model_compression.low_rank.layers import effective_weight
from zoo.errors import TrainingDivergedError
from zoo.training import TrainConfig, accuracy, train

SEPARABLE = DECOMPOSITIONS.get("separable")()


def test_the_error_is_tais_closed_form():
    conv = nn.Conv2d(4, 6, 3).double()
    weight = conv.weight.detach().numpy()
    matrix = weight.transpose(1, 2, 0, 3).reshape(4 * 3, 6 * 3)  # rows (input, height), columns (output, width)
    values = np.linalg.svd(matrix, compute_uv=False)
    for rank in range(1, 13):
        error = np.linalg.norm(effective_weight(SEPARABLE.decompose(conv, (rank,)), conv).numpy() - weight)
        assert error == pytest.approx(np.sqrt((values[rank:] ** 2).sum()), rel=1e-6, abs=1e-6)


def test_a_separable_filter_is_found():
    conv = nn.Conv2d(1, 1, 5, bias=False).double()
    with torch.no_grad():
        conv.weight.copy_(torch.outer(torch.randn(5), torch.randn(5))[None, None])
    small = SEPARABLE.decompose(conv, (1,))
    torch.testing.assert_close(effective_weight(small, conv), conv.weight.detach())
    assert [tuple(layer.kernel_size) for layer in small] == [(5, 1), (1, 5)]


def test_the_batch_norm_between_changes_nothing_before_it_is_trained():
    conv, images = nn.Conv2d(6, 8, 3, padding=1).eval(), torch.randn(2, 6, 9, 9)
    plain, normed = (DECOMPOSITIONS.get(kind)().decompose(conv, (9,)) for kind in ("separable", "separable-bn"))
    torch.testing.assert_close(normed(images), plain(images), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(normed[0].weight, plain[0].weight)
    torch.testing.assert_close(normed[2].weight, plain[1].weight)


def deep(kind: str, layers: int = 10) -> nn.Module:
    """Return a plain network without other normalisation, of separable convolutions with new weights."""
    torch.manual_seed(0)
    way, chans = DECOMPOSITIONS.get(kind)(), 16
    body = [nn.Conv2d(1, chans, 3, 2, 1)]
    for _ in range(layers):
        body += [nn.ReLU(), way.small_layers(nn.Conv2d(chans, chans, 3, padding=1, bias=False), (16,))]
    return nn.Sequential(*body, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(chans, 10))


@pytest.mark.slow
def test_a_deep_network_learns_from_scratch_with_batch_norm_between_and_not_without(digits):
    found = {}
    for kind in ("separable", "separable-bn"):
        network = deep(kind)
        try:
            train(network, digits, TrainConfig(epochs=12, lr=0.05), resolution=16)
            found[kind] = accuracy(network, digits.val, digits, 16)
        except TrainingDivergedError:
            found[kind] = 0.0
    print(found)
    assert found["separable-bn"] > 0.7
    assert found["separable"] < 0.3
