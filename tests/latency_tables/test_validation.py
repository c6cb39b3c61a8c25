import math

import numpy as np
import pytest
from scipy.stats import kendalltau, norm
from sklearn.linear_model import QuantileRegressor

from latency_tables.estimator import Estimator
from latency_tables.kernels import spec_kernels
from latency_tables.validation import compare, doubts_of, fit_width, half_width, validate


def test_figures_are_those_of_their_definitions():
    predicted, measured = [1.04, 2.0, 2.7, 4.0], [1.0, 2.0, 3.0, 5.0]
    found = compare(predicted, measured)
    assert found.mape == pytest.approx((0.04 + 0 + 0.1 + 0.2) / 4)
    assert (found.within_5, found.within_10, found.worst) == (0.5, 0.75, pytest.approx(0.2))
    assert found.kendall_tau == pytest.approx(kendalltau(predicted, measured).statistic)


def test_one_network_or_equal_ones_have_no_order():
    assert compare([1.0], [1.0]).kendall_tau == 0.0
    assert compare([1.0, 1.0], [1.0, 1.0]).kendall_tau == 0.0


def test_the_width_is_the_quantile_regression_of_scikit_learn():
    rng = np.random.default_rng(0)
    doubts = np.stack([np.ones(400), rng.uniform(0, 0.3, 400), rng.uniform(0, 1, 400)], axis=1)
    errors = np.abs(rng.standard_normal(400)) * (doubts @ [0.02, 1.5, 0.04])
    found = fit_width(doubts, errors)
    level = 0.9 * 401 / 400
    expected = QuantileRegressor(quantile=level, alpha=0, fit_intercept=False).fit(doubts, errors).coef_
    assert min(found) > 0 and found == pytest.approx(expected, abs=1e-6)
    assert np.mean(errors <= doubts @ found) == pytest.approx(0.9, abs=0.01)


def test_the_interval_holds_nine_in_ten_of_sure_networks_and_of_doubtful_ones():
    rng = np.random.default_rng(1)
    unlike = np.arange(300) % 3 == 0
    doubts = np.stack([np.ones(300), np.where(unlike, 0.1, 0.01), np.where(unlike, 0.9, 0.4)], axis=1)
    errors = np.abs(rng.standard_normal(300)) * np.where(unlike, 0.15, 0.02)
    inside = errors <= doubts @ fit_width(doubts, errors)
    assert 0.85 <= np.mean(inside[unlike]) <= 0.95 and 0.85 <= np.mean(inside[~unlike]) <= 0.95


def test_what_is_known_badly_has_a_wider_interval_even_where_all_errors_are_alike():
    rng = np.random.default_rng(2)
    doubts = np.stack([np.ones(24), rng.uniform(0, 0.1, 24), np.zeros(24)], axis=1)
    assert fit_width(doubts, np.full(24, 0.2))[1] == pytest.approx(norm.ppf(0.95), abs=1e-3)


def test_the_interval_holds_nine_in_ten_of_the_networks_left_out(small_table):
    fair = [o for o in small_table.observations if o.drawn]
    found = validate(small_table.observations)
    assert found == small_table.validation and found.networks == len(fair)
    # an interval made of errors larger than those of the full table holds at least as many
    estimator, inside = Estimator(small_table.observations), []
    for o in fair:
        cost = estimator.cost(spec_kernels(o.spec, o.num_classes, o.in_chans))
        inside.append(abs(math.log(o.cost / cost.value)) <= half_width(found.width, doubts_of(estimator, cost)))
    assert np.mean(inside) >= 0.8
