import random

import pytest

from search import BudgetError
from search.budget import fastest, feasible_params
from search.space_latency import SpaceLatency


@pytest.fixture(scope="module")
def latency(small_space, small_table) -> SpaceLatency:
    return SpaceLatency(small_space, small_table)


def test_networks_within_the_budget_are_found(small_space, small_table, latency):
    drawn = [latency.ms(small_space.sample_params(random.Random(i))) for i in range(20)]
    budget = sorted(drawn)[4]
    found = feasible_params(small_space, small_table, budget, 8, seed=0)
    assert len(found) == 8
    assert all(latency.ms(params) <= budget for params in found)
    assert len({str(sorted(p.items())) for p in found}) == 8


def test_an_impossible_budget_names_the_fastest_network(small_space, small_table):
    with pytest.raises(BudgetError, match=r"the fastest found takes 0\.\d+ ms") as caught:
        feasible_params(small_space, small_table, 1e-6, 4, seed=0)
    assert "\n" not in str(caught.value)


def test_no_random_network_is_faster_than_the_fastest_found(small_space, latency):
    start = small_space.sample_params(random.Random(0))
    params, ms = fastest(small_space, latency, start)
    assert latency.ms(params) == ms
    drawn = [latency.ms(small_space.sample_params(random.Random(i))) for i in range(30)]
    assert ms <= min(drawn) * 1.0001


def test_choices_that_make_no_network_are_infinitely_slow(small_space, latency):
    params = small_space.sample_params(random.Random(0)) | {"stage0_kind": "shuffle_v2", "stage0_width": 7}
    assert latency.ms(params) == float("inf")
