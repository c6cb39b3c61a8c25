"""What training projected to zero is not missed."""

import pytest
import torch

from model_compression.pruning.half_space import HalfSpaceSGD, only_train_once
from zoo.training.loop import TrainConfig

from .conftest import SHAPE, make_digit_network


def test_one_training_and_exact_removal(small_digits, groups, evaluate) -> None:
    network = make_digit_network()
    pruned = only_train_once(
        network, small_digits, TrainConfig(epochs=6, lr=0.1), share=0.4, shape=SHAPE, groups=groups
    )
    total = sum(g.size for g in groups)
    assert sum(map(len, pruned.removed.values())) / total == pytest.approx(0.4, abs=0.02)
    images = torch.rand(16, 1, 8, 8) * 4 - 1
    with torch.no_grad():
        assert (network(images) - pruned.network(images)).abs().max() < 1e-5
    for name, gone in pruned.removed.items():
        index = int(name[0])
        assert not network[index][0].weight[gone].any() and not network[index][1].bias[gone].any()
    assert evaluate(pruned.network) > 0.6


def test_nothing_is_projected_before_it_is_named(trained, groups) -> None:
    optimizer = HalfSpaceSGD(trained, groups, lr=0.1)
    plain = torch.optim.SGD
    other = make_digit_network()
    other.load_state_dict(trained.state_dict())
    reference = plain(other.parameters(), lr=0.1, momentum=0.9)
    for network, opt in ((trained, optimizer), (other, reference)):
        for _ in range(2):
            opt.zero_grad()
            network.eval()(torch.ones(2, 1, 8, 8)).square().sum().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            opt.step()
    assert optimizer.zeroed() == {}
    for ours, theirs in zip(trained.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)
