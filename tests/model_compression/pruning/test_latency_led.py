"""Widths on a device that is a formula, against brute force; and on this machine."""

import itertools
import math

import pytest
import torch
from torch import nn

from model_compression.errors import BudgetError
from model_compression.pruning.allocation import least_important
from model_compression.pruning.channels import channel_groups, prune_channels
from model_compression.pruning.importance import IMPORTANCES
from model_compression.pruning.latency_led import latency_led, staircase
from zoo.counting import complexity

from .conftest import SHAPE, Pooled, conv, make_digit_network, staircase_ms


def test_steps_of_measured_times() -> None:
    # a 1x1 convolution of 96 channels in onnxruntime: steps of 16
    counts = [80, 82, 88, 96, 100, 112]
    assert staircase(counts, [0.132, 0.154, 0.154, 0.154, 0.178, 0.178]) == (80, 96, 112)
    # a depthwise one is three times as slow where the channels are no multiple of 4
    assert staircase([82, 84, 88, 90, 96], [0.139, 0.050, 0.0501, 0.150, 0.0502]) == (96,)
    assert staircase([1, 2, 3], [1.0, 1.0, 1.0]) == (3,)


@pytest.mark.parametrize("share", [0.8, 0.6, 0.4])
def test_least_damage_within_the_budget(share: float, trained, groups, batches) -> None:
    scores = IMPORTANCES.get("taylor")(trained, groups, batches)
    budget = share * staircase_ms(trained)
    found = latency_led(trained, budget, shape=SHAPE, scores=scores, cost=staircase_ms, groups=groups, align=4)
    assert found.ms <= budget and staircase_ms(found.network) == found.ms
    assert found.before_ms == staircase_ms(trained)
    for group in groups:
        steps = list(found.steps[group.name].items())
        assert steps[-1] == (group.size, found.before_ms) and steps == sorted(steps) and len(steps) < group.size // 2
        assert all(narrow < wide for (_, narrow), (_, wide) in itertools.pairwise(steps))
    best = float("inf")
    for counts in itertools.product(*(found.steps[g.name] for g in groups)):
        removed = least_important(groups, scores, {g.name: c for g, c in zip(groups, counts, strict=True)})
        if staircase_ms(prune_channels(trained, removed, SHAPE, groups=groups)) <= budget:
            best = min(best, sum(float(scores[n][c].sum()) for n, c in removed.items()))
    # savings are taken to add up, which they do not quite: near the optimum
    assert best - 1e-6 <= found.damage <= 1.5 * best + 1e-6


def test_replayed_from_what_is_stored(trained, groups, batches) -> None:
    scores = IMPORTANCES.get("taylor")(trained, groups, batches)
    budget = 0.5 * staircase_ms(trained)
    found = latency_led(trained, budget, shape=SHAPE, scores=scores, cost=staircase_ms, groups=groups, align=4)
    fresh = prune_channels(make_digit_network(), found.removed, SHAPE)
    fresh.load_state_dict(found.network.state_dict())
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(fresh.eval()(images), found.network.eval()(images))


def test_multiply_adds_mislead_on_a_staircase(trained, groups, batches) -> None:
    scores = IMPORTANCES.get("taylor")(trained, groups, batches)

    def macs(network: nn.Module) -> float:
        return float(complexity(network, SHAPE[1:]).macs)

    by_macs = latency_led(trained, 0.6 * macs(trained), shape=SHAPE, scores=scores, cost=macs, groups=groups, align=2)
    budget = staircase_ms(by_macs.network)
    led = latency_led(trained, budget, shape=SHAPE, scores=scores, cost=staircase_ms, groups=groups, align=2)
    assert led.ms <= budget and led.damage < by_macs.damage


def test_a_budget_that_nothing_keeps(trained, groups, batches) -> None:
    scores = IMPORTANCES.get("l1")(trained, groups, batches)
    with pytest.raises(BudgetError, match="narrowest"):
        latency_led(trained, 0.1, shape=SHAPE, scores=scores, cost=staircase_ms, groups=groups)
    whole = latency_led(trained, 99, shape=SHAPE, scores=scores, cost=staircase_ms, groups=groups)
    assert whole.removed == {} and whole.damage == 0


def test_groups_of_the_same_layers_share_a_staircase_and_flat_ones_are_left_alone() -> None:
    torch.manual_seed(0)
    middle = [conv(64, 64) for _ in range(4)]
    network = nn.Sequential(conv(1, 64), *middle, conv(64, 16), Pooled(), nn.Linear(16, 10)).eval()
    groups, told, asked = channel_groups(network, SHAPE), [], []

    def cost(candidate: nn.Module) -> float:
        asked.append([layer.out_channels for layer in candidate.modules() if isinstance(layer, nn.Conv2d)])
        # the first layer costs nothing, each other one by steps of 16
        return 1 + sum(math.ceil(width / 16) for width in asked[-1][1:])

    scores = {group.name: torch.arange(float(group.size)) for group in groups}
    found = latency_led(
        network, 15.0, shape=SHAPE, scores=scores, cost=cost, groups=groups, on_width=lambda *n: told.append(n)
    )
    whole = [64, 64, 64, 64, 64, 16]
    alone = [widths for widths in asked if sum(a != b for a, b in zip(widths, whole, strict=True)) == 1]
    changed = [next(i for i, (a, b) in enumerate(zip(w, whole, strict=True)) if a != b) for w in alone]
    # of the first group one width tells that nothing is saved; groups 1 to 3 are alike and 1 is measured for all
    assert changed.count(0) == 1 and 2 not in changed and 3 not in changed
    steps = [list(found.steps[group.name]) for group in groups]
    assert steps[0] == [64] and steps[1] == [8, 32, 48, 64] == steps[2] == steps[3]
    assert told == sorted(told) and told[-1][0] == told[-1][1]


@pytest.mark.slow
def test_measured_on_this_machine() -> None:
    network = make_digit_network(64).eval()
    shape = (1, 1, 32, 32)
    groups = channel_groups(network, shape)
    scores = IMPORTANCES.get("l1")(network, groups)
    from model_compression.pruning.cost import measured_cost

    with measured_cost(shape, seconds_each=0.3) as cost:
        before = cost(network)
        found = latency_led(network, 0.7 * before, shape=shape, scores=scores, cost=cost, groups=groups, align=16)
        assert cost(found.network) < 0.8 * cost(network)
