import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from model_compression.errors import BudgetError
from model_compression.knapsack import Option, choose

_NUMBER = st.floats(0, 100) | st.integers(0, 5).map(float)
_ITEMS = st.lists(st.lists(st.builds(Option, _NUMBER, _NUMBER), min_size=1, max_size=4), min_size=1, max_size=5)


def _sums(options, chosen):
    cost = damage = 0.0
    for item, k in zip(options, chosen, strict=True):
        cost, damage = cost + item[k].cost, damage + item[k].damage
    return cost, damage


@given(_ITEMS, st.floats(0, 300))
def test_the_choice_is_that_of_brute_force(options, budget):
    every = [_sums(options, chosen) for chosen in itertools.product(*(range(len(item)) for item in options))]
    kept = [damage for cost, damage in every if cost <= budget]
    if not kept:
        with pytest.raises(BudgetError):
            choose(options, budget)
        return
    cost, damage = _sums(options, choose(options, budget))
    assert cost <= budget
    assert damage == pytest.approx(min(kept), abs=1e-9)


@given(_ITEMS, st.data())
def test_a_budget_that_is_just_some_choice_is_enough_for_it(options, data):
    chosen = [data.draw(st.integers(0, len(item) - 1)) for item in options]
    budget, most = _sums(options, chosen)
    cost, damage = _sums(options, choose(options, budget))
    assert cost <= budget and damage <= most + 1e-9


def test_a_large_network_is_near_the_integer_programs_optimum_and_fast():
    random = np.random.default_rng(0)
    items, levels = 80, 4
    cost = random.uniform(0.1, 1, (items, 1)) * np.array([1, 0.6, 0.4, 0.3])
    damage = random.exponential(1, (items, 1)) * np.array([0, 0.1, 0.5, 2])
    budget = float(cost[:, 0].sum() * 0.5)
    start = time.perf_counter()
    options = [list(map(Option, *pair)) for pair in zip(cost.tolist(), damage.tolist(), strict=True)]
    found_cost, found_damage = _sums(options, choose(options, budget))
    assert time.perf_counter() - start < 20
    best = milp(
        damage.ravel(),
        integrality=np.ones(items * levels),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(np.kron(np.eye(items), np.ones(levels)), 1, 1),
            LinearConstraint(cost.reshape(1, -1), -np.inf, budget),
        ],
    )
    assert found_cost <= budget
    assert found_damage <= best.fun * 1.002


def test_too_small_a_budget_is_said_in_one_line():
    with pytest.raises(BudgetError, match=r"^even the cheapest options cost 3, above the budget of 2$"):
        choose([[Option(1, 0), Option(5, 0)], [Option(2, 1)]], 2)
    with pytest.raises(BudgetError, match="item 1 has no options"):
        choose([[Option(1, 0)], []], 2)
    with pytest.raises(BudgetError, match="item 0"):
        choose([[Option(float("nan"), 0)]], 2)
    with pytest.raises(BudgetError):
        choose([[Option(1, 0)]], float("nan"))


@given(_ITEMS, st.floats(0, 300), st.sampled_from([1e-9, 1e9]))
def test_the_unit_of_the_costs_does_not_matter(options, budget, unit):
    scaled = [[Option(o.cost * unit, o.damage) for o in item] for item in options]
    every = [_sums(scaled, chosen) for chosen in itertools.product(*(range(len(item)) for item in options))]
    kept = [damage for cost, damage in every if cost <= budget * unit]
    if kept:
        cost, damage = _sums(scaled, choose(scaled, budget * unit))
        assert cost <= budget * unit and damage == pytest.approx(min(kept), abs=1e-9)


def test_nothing_to_choose():
    assert choose([], 0) == []
