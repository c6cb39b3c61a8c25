import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from latency_tables.cost import Cost
from latency_tables.estimator import Estimator
from latency_tables.kernels import spec_kernels
from latency_tables.validation import compare, doubt, validate


def test_figures_are_those_of_their_definitions():
    predicted, measured = [1.04, 2.0, 2.7, 4.0], [1.0, 2.0, 3.0, 5.0]
    found = compare(predicted, measured)
    assert found.mape == pytest.approx((0.04 + 0 + 0.1 + 0.2) / 4)
    assert (found.within_5, found.within_10, found.worst) == (0.5, 0.75, pytest.approx(0.2))
    assert found.kendall_tau == pytest.approx(kendalltau(predicted, measured).statistic)


def test_one_network_or_equal_ones_have_no_order():
    assert compare([1.0], [1.0]).kendall_tau == 0.0
    assert compare([1.0, 1.0], [1.0, 1.0]).kendall_tau == 0.0


def test_estimated_kernels_make_an_estimate_more_doubtful():
    assert doubt(Cost(1.0, 1.0, 0.0)) == 1.0
    assert doubt(Cost(1.0, 0.5, 0.0)) > 1.0
    assert doubt(Cost(1.0, 0.5, 0.2)) > doubt(Cost(1.0, 0.5, 0.1))


def test_the_interval_holds_nine_in_ten_of_the_networks_left_out(small_table):
    fair = [o for o in small_table.observations if o.drawn]
    found = validate(small_table.observations)
    assert found == small_table.validation and found.networks == len(fair)
    # an interval made of errors larger than those of the full table holds at least as many
    inside = []
    for o in fair:
        cost = Estimator(small_table.observations, found.weight).cost(spec_kernels(o.spec, o.num_classes, o.in_chans))
        inside.append(abs(math.log(o.cost / cost.value)) <= found.width * doubt(cost))
    assert np.mean(inside) >= 0.8
