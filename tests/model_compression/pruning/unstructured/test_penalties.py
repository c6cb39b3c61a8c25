import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model_compression.pruning.unstructured.penalties import PenalizedLoss, l1_loss
from zoo.training import TrainConfig, train


def test_l1_adds_the_sum_of_absolute_weights_and_no_biases(perceptron, batch):
    network = perceptron()
    scores = network(batch[0])
    expected = F.cross_entropy(scores, batch[1]) + 0.01 * (
        network[1].weight.abs().sum() + network[3].weight.abs().sum()
    )
    assert l1_loss(network, 0.01)(scores, batch[1], batch[0]).item() == pytest.approx(expected.item())


def test_weights_of_an_inner_loss_are_its_own_and_the_network_is_no_part(perceptron):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, scores, labels, images):
            return self.scale * F.cross_entropy(scores, labels)

    loss = PenalizedLoss(perceptron(), torch.square, 0.1, loss=Scaled())
    assert [name for name, _ in loss.named_parameters()] == ["loss.scale"]


def test_training_under_l1_leaves_smaller_weights(perceptron, small_digits):
    sums = []
    for strength in (0.0, 1e-2):
        network = perceptron()
        config = TrainConfig(epochs=2, weight_decay=0.0)
        train(network, small_digits, config, resolution=8, loss=l1_loss(network, strength))
        sums.append(network[1].weight.abs().sum().item())
    assert sums[1] < 0.7 * sums[0]
