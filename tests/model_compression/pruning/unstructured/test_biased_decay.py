import pytest
import torch
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.biased_decay import biased_decay, bounded_square, drop_units, idle_units
from model_compression.pruning.unstructured.masks import prunable_weights
from zoo.training import TrainConfig, accuracy, train


def test_the_price_is_bounded_and_its_gradient_known():
    weight = torch.linspace(-5, 5, 11).double().requires_grad_()
    bounded_square(weight).sum().backward()
    expected = 2 * weight / (1 + weight.pow(2)).pow(2)
    assert torch.allclose(weight.grad, expected) and bounded_square(weight).max() < 1


def test_more_decay_leaves_more_weights_near_zero_and_the_accuracy(perceptron, small_digits):
    shares, accuracies = [], []
    for strength in (0.0, 1e-2, 2e-2):
        network = perceptron()
        config = TrainConfig(epochs=8, weight_decay=0.0)
        train(network, small_digits, config, resolution=8, loss=biased_decay(network, strength))
        weights = torch.cat([w.flatten() for w in prunable_weights(network).values()])
        shares.append(float((weights.abs() < 1e-3).float().mean()))
        accuracies.append(accuracy(network, small_digits.val, small_digits, 8))
    assert shares == sorted(shares) and shares[2] > 3 * shares[0]
    assert accuracies[1] >= accuracies[0] - 0.01


@pytest.fixture
def deep():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 3))
    with torch.no_grad():
        network[0].weight[[1, 5]] = 1e-5  # idle: they give the sigmoid of their bias
        network[2].weight[:, 2] = 0  # unheeded
        network[2].weight[3] = 0
    return network


def test_units_that_do_nothing_are_dropped_and_the_rest_gives_the_same(deep):
    assert idle_units(deep) == {"0": [1, 5], "2": [3]}
    small = drop_units(deep)
    assert [tuple(small[i].weight.shape) for i in (0, 2, 5)] == [(5, 6), (6, 5), (3, 6)]
    assert small.training and deep[0].weight.shape == (8, 6)
    inputs = torch.randn(20, 6)
    assert torch.allclose(small.eval()(inputs), deep.eval()(inputs), atol=1e-3)


def test_of_a_layer_of_idle_units_one_stays(deep):
    with torch.no_grad():
        deep[2].weight.zero_()
    small = drop_units(deep)
    assert small[2].out_features == 1
    inputs = torch.randn(20, 6)
    assert torch.allclose(small.eval()(inputs), deep.eval()(inputs), atol=1e-5)


@pytest.mark.slow
def test_training_with_it_makes_a_smaller_perceptron(perceptron, small_digits):
    network = perceptron(64)
    config = TrainConfig(epochs=60, weight_decay=0.0)
    train(network, small_digits, config, resolution=8, loss=biased_decay(network, 0.02))
    before = accuracy(network, small_digits.val, small_digits, 8)
    small = drop_units(network, limit=1e-2)
    print("units", small[1].out_features, "accuracy", before)
    assert small[1].out_features < 60
    assert accuracy(small, small_digits.val, small_digits, 8) == pytest.approx(before, abs=0.01)


def test_other_networks_are_refused_in_one_line(convolutional):
    with pytest.raises(PruningError, match=r"plain nn\.Sequential of two or more linear layers"):
        drop_units(convolutional)
    with pytest.raises(PruningError, match="no convolution or linear layer"):
        biased_decay(nn.Sequential(nn.ReLU()), 0.1)
