import random

import pytest

from search import SearchError
from search.objectives import CostModel, make_goal
from zoo import EdgezooError, complexity


def test_one_table_is_called_latency(small_table):
    goal = make_goal(small_table, 0.5)
    assert goal.metric_names == ["accuracy", "latency_ms"]
    assert goal.values(0.9, {"latency_ms": 0.25}) == [0.9, 0.25]
    assert goal.reference == (0.5,)


def test_several_tables_are_called_by_name(small_table):
    goal = make_goal({"laptop": small_table, "phone": small_table}, {"laptop": 1, "phone": 2}, {"params_m": 3})
    assert goal.metric_names == ["accuracy", "laptop_ms", "phone_ms"]
    assert goal.main == "laptop_ms" and goal.reference == (1, 2)


def test_the_soft_reward_is_that_of_mnasnet(small_table):
    # arXiv:1807.11626, figure 4: at the target latency the reward is the accuracy, at twice of it 5 % less
    goal = make_goal(small_table, 2.0, objectives=("reward",))
    assert goal.values(0.8, {"latency_ms": 2.0}) == [0.8]
    assert goal.values(0.8, {"latency_ms": 4.0}) == [pytest.approx(0.8 * 0.95, rel=0.005)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget_ms": 0}, "the budget of latency_ms must be above 0, got 0"),
        ({"budget_ms": 1, "limits": {"params_m": -1}}, "the budget of params_m must be above 0, got -1"),
        ({"budget_ms": 1, "limits": {"param_m": 1}}, "unknown limit 'param_m'; did you mean 'params_m'"),
        ({"budget_ms": 1, "objectives": ("latency",)}, "unknown objective 'latency'; did you mean 'latency_ms'"),
        ({"budget_ms": 1, "objectives": ("reward", "params_m")}, "it stands alone"),
        ({"budget_ms": {"phone": 1}}, "budgets for phone_ms, tables for latency_ms"),
    ],
)
def test_what_does_not_go_together_is_one_line(small_table, arguments, message):
    with pytest.raises(EdgezooError, match=message) as caught:
        make_goal(small_table, **arguments)
    assert "\n" not in str(caught.value)


def test_tables_for_different_images_do_not_go_together(small_table):
    with pytest.raises(SearchError, match="different numbers of classes or channels"):
        make_goal({"a": small_table, "b": small_table.replace(in_chans=3)}, 1.0)


def test_costs_are_those_of_the_network(small_space, small_table):
    goal = make_goal(small_table, 1000.0, {"params_m": 1.0, "macs_m": 100.0})
    costs, params = CostModel(small_space, goal), small_space.sample_params(random.Random(3))
    verdict = costs.judge(params)
    network = verdict.spec.deployed().build(small_table.num_classes, small_table.in_chans)
    counted = complexity(network, (small_table.in_chans, 16, 16))
    assert verdict.costs["latency_ms"] == small_table.predict_any(verdict.spec).ms
    assert verdict.costs["params_m"] == counted.params / 1e6
    assert verdict.costs["macs_m"] == counted.macs / 1e6
    assert not verdict.violations
    assert costs.quick(params) == (pytest.approx(verdict.costs["latency_ms"]),)


def test_what_breaks_a_budget_is_cut_and_says_by_how_much(small_space, small_table):
    params = small_space.sample_params(random.Random(3))
    ms = CostModel(small_space, make_goal(small_table, 1000.0)).judge(params).costs["latency_ms"]
    tight = CostModel(small_space, make_goal(small_table, ms / 2))
    assert tight.judge(params).violations == {"latency_ms": pytest.approx(1.0)}
    assert tight.quick(params) is None
    assert tight.share(params) == pytest.approx(2.0)
