import pytest
import torch
import torch.nn.functional as F

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.gradient_saliency import gradient_saliency, prune_by_gradient
from model_compression.pruning.unstructured.masks import get_masks, prunable_layers, sparsity


def test_saliency_is_the_change_of_the_loss_to_first_order(perceptron, batch):
    network = perceptron(6).double()
    images, labels = batch[0].double(), batch[1]
    scores = gradient_saliency(network, [(images, labels)])
    step = 1e-6
    for name, layer in prunable_layers(network).items():
        for index in range(0, layer.weight.numel(), 29):
            weight = layer.weight.data.view(-1)
            value = weight[index].item()
            losses = []
            for factor in (1 + step, 1 - step):
                weight[index] = factor * value
                losses.append(F.cross_entropy(network(images), labels).item())
            weight[index] = value
            assert scores[name].view(-1)[index].item() == pytest.approx(
                abs(losses[0] - losses[1]) / (2 * step), abs=1e-8
            )


def test_weights_of_pixels_that_are_always_black_go_first(perceptron, batch):
    network = perceptron()
    images = batch[0].clone()
    images[:, :, :4] = 0  # half of the inputs
    prune_by_gradient(network, [(images, batch[1])], 0.4)
    assert sparsity(network) == pytest.approx(0.4, abs=1e-3)
    black, lit = get_masks(network)["1"][:, :32].float().mean(), get_masks(network)["1"][:, 32:].float().mean()
    assert black < 0.3 < 0.9 < lit


def test_bad_input_is_met_in_one_line(perceptron, batch):
    with pytest.raises(PruningError, match="no images"):
        prune_by_gradient(perceptron(), [], 0.5)
    with pytest.raises(PruningError, match="scores of layer '1' are NaN"):
        prune_by_gradient(perceptron(), [(batch[0] * float("nan"), batch[1])], 0.5)
    with pytest.raises(PruningError, match=r"sparsity 1\.0"):
        prune_by_gradient(perceptron(), [batch], 1.0)
    assert torch.is_grad_enabled()
