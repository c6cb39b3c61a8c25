import random

import pytest

from search import BudgetError
from search.budget import feasible_params, least
from search.objectives import CostModel, make_goal
from search.space_latency import SpaceLatency


@pytest.fixture(scope="module")
def latency(small_space, small_table) -> SpaceLatency:
    return SpaceLatency(small_space, small_table)


def test_networks_within_the_budget_are_found(small_space, small_table, latency):
    drawn = [latency.ms(small_space.sample_params(random.Random(i))) for i in range(20)]
    budget = sorted(drawn)[4]
    found = feasible_params(small_space, CostModel(small_space, make_goal(small_table, budget)), 8, seed=0)
    assert len(found) == 8
    assert all(latency.ms(params) <= budget for params in found)
    assert len({str(sorted(p.items())) for p in found}) == 8


def test_an_impossible_budget_names_the_fastest_network(small_space, small_table):
    with pytest.raises(BudgetError, match=r"the cheapest has latency_ms 0\.\d+ where 1e-06 is wanted") as caught:
        feasible_params(small_space, CostModel(small_space, make_goal(small_table, 1e-6)), 4, seed=0)
    assert "\n" not in str(caught.value)


def test_no_random_network_is_faster_than_the_cheapest_found(small_space, small_table, latency):
    start = small_space.sample_params(random.Random(0))
    params, share = least(small_space, CostModel(small_space, make_goal(small_table, 2.0)), start)
    ms = 2.0 * share
    assert latency.ms(params) == pytest.approx(ms)
    drawn = [latency.ms(small_space.sample_params(random.Random(i))) for i in range(30)]
    assert ms <= min(drawn) * 1.0001


def test_choices_that_make_no_network_are_infinitely_slow(small_space, latency):
    params = small_space.sample_params(random.Random(0)) | {"stage0_kind": "shuffle_v2", "stage0_width": 7}
    assert latency.ms(params) == float("inf")


def test_limits_on_other_costs_are_kept_too(small_space, small_table):
    costs = CostModel(small_space, make_goal(small_table, 1000.0, {"params_m": 0.03}))
    found = feasible_params(small_space, costs, 6, seed=0)
    assert len(found) == 6
    assert all(costs.judge(params).costs["params_m"] <= 0.03 for params in found)
    tight = CostModel(small_space, make_goal(small_table, 1000.0, {"params_m": 1e-4}))
    with pytest.raises(BudgetError, match="the cheapest has params_m"):
        feasible_params(small_space, tight, 6, seed=0)
