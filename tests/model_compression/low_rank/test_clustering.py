import numpy as np
import pytest
import torch
from torch import nn

import zoo
from model_compression.errors import FactorizationError
from model_compression.low_rank import DECOMPOSITIONS, Factors, factorize
from model_compression.low_rank.clustering import clusters
from model_compression.low_rank.covariance import input_covariances
from model_compression.low_rank.layers import effective_weight, relative_error

CLUSTERED = DECOMPOSITIONS.get("clustered")()


def test_planted_clusters_are_found():
    rng = np.random.default_rng(0)
    owner = rng.permutation(np.repeat(np.arange(3), 5))
    rows = rng.standard_normal((3, 20))[owner] + 0.2 * rng.standard_normal((15, 20))
    found = clusters(rows * rng.uniform(0.5, 2, (15, 1)), 3)
    assert sorted(found.flatten().tolist()) == list(range(15))
    assert all(len(set(owner[members.numpy()])) == 1 for members in found)


def test_a_weight_of_low_rank_in_every_pair_of_clusters_is_found_exactly():
    """Blocks of rank 1 whose channels are shuffled; the whole has a higher rank."""
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 8, 3).double()
    one, other = (torch.einsum("o,iab->oiab", torch.rand(4) + 0.5, torch.randn(4, 3, 3)) for _ in range(2))
    weight = torch.zeros(8, 8, 3, 3)
    weight[:4, :4], weight[4:, 4:] = one, other
    with torch.no_grad():
        conv.weight.copy_(weight[torch.randperm(8)][:, torch.randperm(8)])
    small = CLUSTERED.decompose(conv, (1, 2, 2))
    assert relative_error(small, conv) < 1e-9
    assert relative_error(DECOMPOSITIONS.get("svd")().decompose(conv, (1,)), conv) > 0.2
    torch.testing.assert_close(effective_weight(small, conv), conv.weight.detach(), atol=1e-6, rtol=1e-5)


def test_clusters_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(FactorizationError, match="6 inputs and 8 outputs do not make 4 and 2 equal clusters"):
        CLUSTERED.decompose(nn.Conv2d(6, 8, 3), (2, 4, 2))
    with pytest.raises(FactorizationError, match="rank 5 of a pair of clusters that has at most 4"):
        CLUSTERED.decompose(nn.Conv2d(6, 8, 3), (5, 2, 2))


@pytest.mark.slow
def test_half_the_multiplications_of_a_convolution_cost_less_than_a_point_on_cifar10(cifar):
    """Denton et al., table 2: a single layer, without training."""
    name, ranks = "network.layer3.5.conv1", (14, 2, 2)
    covariances = input_covariances(cifar.network, cifar.images, [name])
    small = factorize(cifar.network, {name: Factors("clustered", ranks)}, covariances=covariances)
    before, after = (zoo.complexity(n.get_submodule(name), (64, 8, 8)).macs for n in (cifar.network, small))
    assert after <= before / 2
    assert cifar.accuracy(cifar.network) > 0.9
    assert cifar.accuracy(small) > cifar.accuracy(cifar.network) - 0.01
