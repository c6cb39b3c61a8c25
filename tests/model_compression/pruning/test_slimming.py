"""Scales that learn to be zero."""

import copy

import pytest
import torch

from model_compression.pruning.channels import prune_channels
from model_compression.pruning.slimming import network_slimming, scales, train_with_sparse_scales
from zoo.training.loop import TrainConfig

from .conftest import SHAPE, make_digit_network


@pytest.mark.slow
def test_scales_become_few(small_digits, groups) -> None:
    small = []
    for strength in (0.0, 3e-2):
        network = make_digit_network()
        config = TrainConfig(epochs=12, weight_decay=0)
        train_with_sparse_scales(network, small_digits, config, groups, strength=strength, resolution=8)
        gammas = torch.cat(scales(network, groups)).detach().abs()
        small.append(float((gammas < 0.1 * gammas.max()).float().mean()))
    assert small[0] < 0.05 and small[1] > 0.15  # a second mode, at zero


def test_exactly_the_share_of_least_scale(trained, groups, small_digits, evaluate) -> None:
    before = copy.deepcopy(trained.state_dict())
    pruned = network_slimming(
        trained, small_digits, TrainConfig(epochs=2, lr=0.05), share=0.4, shape=SHAPE, groups=groups, strength=3e-3,
        fine_tune=TrainConfig(epochs=3),
    )  # fmt: skip
    assert sum(map(len, pruned.removed.values())) == round(0.4 * sum(g.size for g in groups))
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())
    assert evaluate(pruned.network) > 0.6


def test_rounds_name_channels_of_the_unpruned_network(trained, groups, small_digits) -> None:
    pruned = network_slimming(
        trained, small_digits, TrainConfig(epochs=1, lr=0.02), share=0.5, shape=SHAPE, groups=groups, rounds=2
    )
    assert sum(map(len, pruned.removed.values())) == 0.5 * sum(g.size for g in groups)
    fresh = prune_channels(make_digit_network(), pruned.removed, SHAPE)
    fresh.load_state_dict(pruned.network.state_dict())
