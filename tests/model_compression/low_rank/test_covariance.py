import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model_compression.errors import FactorizationError
from model_compression.low_rank import DECOMPOSITIONS, factorize
from model_compression.low_rank.allocation import uniform_ranks
from model_compression.low_rank.covariance import input_covariances
from model_compression.low_rank.fitting import squared_error
from model_compression.low_rank.layers import effective_weight
from zoo import UnknownNameError

ALL = 10**6


def test_the_norm_is_the_squared_error_of_the_outputs(conv, correlated):
    network = nn.Sequential(conv)
    covariance = input_covariances(network, correlated, ["0"], positions=ALL)["0"].double()
    small = DECOMPOSITIONS.get("svd")().decompose(conv, (3,))
    difference = (effective_weight(small, conv) - conv.weight.detach()).flatten(1)
    outputs = small(correlated) - conv(correlated)
    assert squared_error(difference, covariance) == pytest.approx(outputs.square().sum(1).mean().item(), rel=1e-4)


def test_it_is_the_moment_of_a_linear_layers_inputs():
    network, images = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(40, 5)
    found = input_covariances(network, images, ["0", "2"])
    np.testing.assert_allclose(found["0"], images.T @ images / 40, rtol=1e-4, atol=1e-5)
    hidden = F.relu(network[0](images)).detach()
    np.testing.assert_allclose(found["2"], hidden.T @ hidden / 40, rtol=1e-4, atol=1e-5)


def test_some_positions_stand_for_all(correlated):
    network = nn.Sequential(nn.Conv2d(6, 8, 3))
    few, every = (input_covariances(network, correlated, ["0"], positions=p)["0"] for p in (20, ALL))
    assert (few - every).norm() < 0.3 * every.norm()
    again = input_covariances(network, correlated, ["0"], positions=20)["0"]
    assert torch.equal(few, again)


def test_the_network_is_left_as_it_was(correlated):
    network = nn.Sequential(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    input_covariances(network, correlated, ["2"])
    assert network.training
    assert all(module.training for module in network.modules())
    assert not any(module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_bad_input_is_met_in_one_line(correlated):
    network = nn.Sequential(nn.Conv2d(6, 6, 3, groups=2), nn.ReLU(), nn.Conv2d(6, 4, 3))
    with pytest.raises(FactorizationError, match="layer '0' is neither a linear layer nor a convolution"):
        input_covariances(network, correlated, ["0"])
    with pytest.raises(FactorizationError, match="layer '1' is neither"):
        input_covariances(network, correlated, ["1"])
    with pytest.raises(FactorizationError, match="layer '2' sees values that are not finite"):
        input_covariances(network, correlated * torch.nan, ["2"])
    with pytest.raises(FactorizationError, match="saw nothing"):
        input_covariances(network, correlated[:0], ["2"])
    with pytest.raises(UnknownNameError, match="'head'"):
        input_covariances(network, correlated, ["head"])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), [("tucker", 0.6), ("separable", 0.75)])
def test_half_the_multiplications_of_a_trained_network_cost_less_in_the_norm_of_its_images(cifar, kind, share):
    """By three points of accuracy at least, and without training."""
    factors = uniform_ranks(cifar.network, (1, 3, 32, 32), kind=kind, share=share, multiple=4)
    factors = {name: how for name, how in factors.items() if "layer" in name}
    covariances = input_covariances(cifar.network, cifar.images, list(factors))
    plain, aware = factorize(cifar.network, factors), factorize(cifar.network, factors, covariances=covariances)
    assert cifar.accuracy(aware) > cifar.accuracy(plain) + 0.03
    assert cifar.accuracy(aware) > cifar.accuracy(cifar.network) - 0.06
