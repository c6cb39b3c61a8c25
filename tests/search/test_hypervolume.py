import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from search.hypervolume import domination_counts, expected_excess, expected_improvement, hypervolume, staircase

FLOOR = 0.2


def points(count, costs, seed):
    rng = np.random.default_rng(seed)
    # coarse values, so that some are equal
    return rng.integers(0, 20, count) / 20, rng.integers(1, 12, (count, costs)) / 10


def by_optuna(accuracies, costs, reference):
    """Optuna minimises everything and takes no point beyond the reference."""
    inside = np.all(costs <= reference, axis=1) & (accuracies >= FLOOR)
    losses = np.column_stack([-accuracies, costs])[inside]
    return compute_hypervolume(losses, np.array([-FLOOR, *reference])) if len(losses) else 0.0


@pytest.mark.parametrize("costs", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_hypervolume_is_that_of_optuna(costs, seed):
    accuracies, values = points(30, costs, seed)
    reference = (1.0,) * costs
    ours = hypervolume(accuracies, values, reference=reference, floor=FLOOR)
    assert ours == pytest.approx(by_optuna(accuracies, values, reference), abs=1e-12)


def test_hypervolume_without_costs_is_the_best_accuracy_above_the_floor():
    assert hypervolume(np.array([0.3, 0.9, 0.5]), np.empty((3, 0)), reference=(), floor=0.2) == pytest.approx(0.7)


def test_hypervolume_of_two_rectangles_by_hand():
    # (0.5, 1) covers 0.3 x 3, (0.8, 3) adds 0.3 x 1
    value = hypervolume(np.array([0.5, 0.8]), np.array([[1.0], [3.0]]), reference=(4.0,), floor=0.2)
    assert value == pytest.approx(0.3 * 3 + 0.3 * 1)


def test_nothing_is_below_the_staircase_of_no_points():
    assert hypervolume(np.empty(0), np.empty((0, 2)), reference=(1.0, 1.0), floor=0.0) == 0


def test_domination_counts_by_comparing_all_pairs():
    accuracies, costs = points(40, 2, 0)
    values = np.column_stack([-accuracies, costs])
    brute = [sum(bool(np.all(a <= b) and np.any(a < b)) for a in values) for b in values]
    assert domination_counts(accuracies, costs).tolist() == brute


@pytest.mark.parametrize("costs", [0, 1, 2, 3])
def test_expected_improvement_is_the_mean_over_many_accuracies(costs):
    reference = (1.0,) * costs
    accuracies, values = points(12, costs, 3)
    stairs = staircase(accuracies, values, reference=reference, floor=FLOOR)
    mean, std = np.array([0.5, 0.9, 0.3]), np.array([0.2, 0.05, 0.1])
    candidates = np.random.default_rng(4).uniform(0, 0.8, (3, costs))
    before = hypervolume(accuracies, values, reference=reference, floor=FLOOR)
    drawn = np.random.default_rng(5).standard_normal(1500)
    for index, expected in enumerate(expected_improvement(stairs, mean, std, candidates)):
        more = np.vstack([values, candidates[index]])
        gains = [
            hypervolume(np.append(accuracies, mean[index] + std[index] * z), more, reference=reference, floor=FLOOR)
            - before
            for z in drawn
        ]
        assert expected == pytest.approx(np.mean(gains), abs=4 * np.std(gains) / np.sqrt(len(drawn)) + 1e-9)


def test_the_improvement_of_a_sure_candidate_is_the_hypervolume_that_it_adds():
    accuracies, values = points(15, 2, 6)
    accuracies = accuracies * 0.5
    sure, costs = np.array([0.9]), np.array([[0.15, 0.4]])
    stairs = staircase(accuracies, values, reference=(1.0, 1.0), floor=FLOOR)
    added = by_optuna(np.append(accuracies, sure), np.vstack([values, costs]), (1.0, 1.0))
    added -= by_optuna(accuracies, values, (1.0, 1.0))
    assert expected_improvement(stairs, sure, np.zeros(1), costs)[0] == pytest.approx(added)


def test_a_candidate_beyond_the_reference_improves_nothing():
    stairs = staircase(np.array([0.5]), np.array([[0.5]]), reference=(1.0,), floor=0.0)
    assert expected_improvement(stairs, np.array([2.0]), np.array([0.1]), np.array([[1.5]]))[0] == 0


def test_a_thinned_staircase_is_no_higher_and_keeps_both_ends():
    accuracies = np.linspace(0.1, 0.9, 50)
    costs = np.column_stack([accuracies, accuracies**2])
    thin = staircase(accuracies, costs, reference=(1.0, 1.0), floor=0.0, max_steps=100)
    assert thin.best.size <= 121 and thin.best.max() == 0.9 and 0.1 in thin.best


def test_expected_excess_far_above_and_far_below():
    assert expected_excess(np.array([5.0]), np.array([0.1]), np.array([1.0]))[0] == pytest.approx(4.0)
    assert expected_excess(np.array([-5.0]), np.array([0.1]), np.array([1.0]))[0] == 0
    half_normal = 1 / np.sqrt(2 * np.pi)
    assert expected_excess(np.array([0.0]), np.array([1.0]), np.array([0.0]))[0] == pytest.approx(half_normal)
