import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model_compression.pruning.unstructured.brain_damage import curvature_saliency, prune_by_curvature
from model_compression.pruning.unstructured.masks import get_masks, sparsity
from zoo import UnknownNameError
from zoo.training import TrainConfig, accuracy, train


def test_on_a_quadratic_loss_saliency_is_the_true_increase():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(50, 6, generator=generator).double()
    targets = torch.randn(50, 3, generator=generator).double()
    network = nn.Linear(6, 3, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(torch.linalg.lstsq(inputs, targets).solution.T)  # where the gradient is zero
    found = curvature_saliency(network, [(inputs, targets)], curvature="exact", loss=F.mse_loss)[""]
    best = F.mse_loss(network(inputs), targets).item()
    for index in range(18):
        without = network.weight.detach().clone()
        without.view(-1)[index] = 0
        increase = F.mse_loss(F.linear(inputs, without), targets).item() - best
        assert found.view(-1)[index].item() == pytest.approx(increase, rel=1e-9)


@pytest.mark.parametrize("curvature", ["fisher", "exact"])
def test_the_least_salient_go(curvature, perceptron, batch):
    network = perceptron(4)
    scores = curvature_saliency(network, [batch], curvature=curvature)
    prune_by_curvature(network, [batch], 0.3, curvature=curvature)
    masks = get_masks(network)
    hidden = max(scores[name][~mask].max() for name, mask in masks.items())
    assert hidden <= min(scores[name][mask].min() for name, mask in masks.items())
    assert sparsity(network) == pytest.approx(0.3, abs=2e-3)


def test_a_trained_network_loses_less_than_at_random(perceptron, small_digits, batch):
    network = perceptron()
    train(network, small_digits, TrainConfig(epochs=10), resolution=8)
    before = accuracy(network, small_digits.val, small_digits, 8)
    prune_by_curvature(network, [batch], 0.5)
    assert accuracy(network, small_digits.val, small_digits, 8) > before - 0.1


def test_an_unknown_curvature_is_met_with_those_there_are(perceptron, batch):
    with pytest.raises(UnknownNameError, match="unknown curvature 'newton'; did you mean 'exact' or 'fisher'"):
        prune_by_curvature(perceptron(), [batch], 0.5, curvature="newton")
