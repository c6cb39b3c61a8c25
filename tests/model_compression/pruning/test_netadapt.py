"""Steps on a device that is a formula."""

import copy
import itertools

import pytest
import torch

from model_compression.errors import BudgetError
from model_compression.pruning.channels import prune_channels
from model_compression.pruning.netadapt import Step, netadapt
from zoo.training.loop import TrainConfig, train

from .conftest import SHAPE, make_digit_network, staircase_ms


def test_every_step_lowers_the_cost_and_keeps_the_best(trained, groups, evaluate) -> None:
    rated: list[float] = []

    def watched(network: torch.nn.Module) -> float:
        rated.append(evaluate(network))
        return rated[-1]

    seen: list[Step] = []
    before, budget = copy.deepcopy(trained.state_dict()), 0.6 * staircase_ms(trained)
    adapted = netadapt(
        trained, budget, shape=SHAPE, tune=lambda n: None, evaluate=watched, cost=staircase_ms, groups=groups,
        reduction=0.1, align=2, on_step=seen.append,
    )  # fmt: skip
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())
    costs = [adapted.before_ms, *(step.ms for step in adapted.steps)]
    assert all(later < earlier for earlier, later in itertools.pairwise(costs))
    assert costs[-1] == adapted.ms == staircase_ms(adapted.network) <= budget
    assert seen == list(adapted.steps) and sum(step.proposals for step in seen) == len(rated)
    for step in seen:
        asked, rated = rated[: step.proposals], rated[step.proposals :]
        assert step.accuracy == max(asked)
    # untuned, the result is the original network without the channels that are stored
    images = torch.rand(2, 1, 8, 8)
    pruned = prune_channels(trained, adapted.removed, SHAPE)
    assert torch.equal(pruned.eval()(images), adapted.network.eval()(images))
    prune_channels(make_digit_network(), adapted.removed, SHAPE).load_state_dict(adapted.network.state_dict())


def test_short_tuning_is_kept(trained, groups, evaluate, small_digits) -> None:
    def tune(network: torch.nn.Module) -> None:
        train(network, small_digits, TrainConfig(epochs=1, lr=0.02), resolution=8)

    budget = 0.6 * staircase_ms(trained)
    adapted = netadapt(
        trained, budget, shape=SHAPE, tune=tune, evaluate=evaluate, cost=staircase_ms, groups=groups, reduction=0.2,
        align=4,
    )  # fmt: skip
    assert adapted.ms <= budget
    assert evaluate(adapted.network) == adapted.steps[-1].accuracy >= evaluate(trained) - 0.03


def test_a_budget_out_of_reach(trained, groups, evaluate) -> None:
    with pytest.raises(BudgetError, match="no narrower network"):
        netadapt(
            trained, 0.1, shape=SHAPE, tune=lambda n: None, evaluate=evaluate, cost=staircase_ms, groups=groups, align=8
        )


def test_nothing_to_do(trained, groups, evaluate) -> None:
    adapted = netadapt(
        trained, 99, shape=SHAPE, tune=lambda n: None, evaluate=evaluate, cost=staircase_ms, groups=groups
    )
    assert adapted.steps == () and adapted.removed == {}
