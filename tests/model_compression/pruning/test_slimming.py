"""Scales that learn to be zero."""

import copy

import torch

from model_compression.pruning.channels import prune_channels
from model_compression.pruning.slimming import network_slimming, scales, train_with_sparse_scales
from zoo.training.loop import TrainConfig

from .conftest import SHAPE, make_digit_network


def test_scales_become_few(small_digits, groups) -> None:  # noqa: ANN001
    small = []
    for strength in (0.0, 1e-2):
        network = make_digit_network()
        config = TrainConfig(epochs=8, weight_decay=0)
        train_with_sparse_scales(network, small_digits, config, groups, strength=strength, resolution=8)
        gammas = torch.cat(scales(network, groups)).detach().abs()
        small.append(float((gammas < 0.1 * gammas.max()).float().mean()))
    assert small[0] < 0.05 and small[1] > 0.15  # a second mode, at zero


def test_exactly_the_share_of_least_scale(trained, groups, small_digits, evaluate) -> None:  # noqa: ANN001
    before = copy.deepcopy(trained.state_dict())
    pruned = network_slimming(
        trained, small_digits, TrainConfig(epochs=2, lr=0.05), share=0.5, shape=SHAPE, groups=groups, strength=3e-3,
        fine_tune=TrainConfig(epochs=3, lr=0.05),
    )  # fmt: skip
    assert sum(map(len, pruned.removed.values())) == 0.5 * sum(g.size for g in groups)
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())
    assert evaluate(pruned.network) > 0.8


def test_rounds_name_channels_of_the_unpruned_network(trained, groups, small_digits) -> None:  # noqa: ANN001
    pruned = network_slimming(
        trained, small_digits, TrainConfig(epochs=1, lr=0.02), share=0.5, shape=SHAPE, groups=groups, rounds=2
    )
    assert sum(map(len, pruned.removed.values())) == 0.5 * sum(g.size for g in groups)
    fresh = prune_channels(make_digit_network(), pruned.removed, SHAPE)
    fresh.load_state_dict(pruned.network.state_dict())
