import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latency_tables.amounts import CONSTANT, Amount
from latency_tables.sums import Sum

_LAW = {Amount("dense", "macs"): 0.3, Amount("dense", "count"): 0.1, Amount("add", "written"): 0.05, **CONSTANT}
_LAW[next(iter(CONSTANT))] = 0.2


def _rows(count, rng):
    return [{amount: rng.uniform(0.5, 20) for amount in _LAW} | CONSTANT for _ in range(count)]


def _targets(rows):
    return [sum(_LAW[amount] * value for amount, value in row.items()) for row in rows]


def test_the_coefficients_of_a_sum_are_found():
    rows = _rows(60, np.random.default_rng(0))
    found = Sum(rows, _targets(rows))
    new = _rows(20, np.random.default_rng(1))
    assert [found.of(row) for row in new] == pytest.approx(_targets(new), rel=0.01)


def test_some_odd_rows_do_not_bend_the_rest():
    rows = _rows(60, np.random.default_rng(0))
    targets = np.array(_targets(rows))
    targets[:5] *= 3
    new = _rows(20, np.random.default_rng(1))
    found = np.array([Sum(rows, targets).of(row) for row in new])
    assert np.median(np.abs(found / _targets(new) - 1)) < 0.02


def test_a_class_never_seen_costs_as_the_others_do_and_is_doubted_as_much():
    rng = np.random.default_rng(2)
    classes = ("a", "b", "c", "d")
    rows = [
        {Amount(c, kind): rng.uniform(0.5, 5) for c in classes for kind in ("count", "macs")} | CONSTANT
        for _ in range(80)
    ]
    targets = [sum({"count": 1.0, "macs": 0.5}.get(a.kind, 0.7) * value for a, value in row.items()) for row in rows]
    found, new = Sum(rows, targets), Amount("new", "macs")
    assert found.coefficient(new) == pytest.approx(0.5, rel=0.1)
    assert found.deviation({new: 1.0}) == pytest.approx(found.coefficient(new))
    assert found.deviation({Amount("a", "macs"): 1.0}) < 0.5 * found.deviation({new: 1.0})


def test_a_deviation_is_that_of_a_normal_prior_given_the_rows():
    """The reference conditions the joint normal of coefficients and targets (Bishop 2006, equation 2.82)."""
    rows = _rows(6, np.random.default_rng(3))
    targets = np.array(_targets(rows))
    found, names = Sum(rows, targets), list(_LAW)
    # an amount that no row has keeps the deviation of its prior
    prior = np.diag([found.deviation({Amount("none", a.kind): 1.0}) ** 2 for a in names])
    matrix = np.array([[row[a] for a in names] for row in rows]) / targets[:, None]
    gain = prior @ matrix.T @ np.linalg.inv(matrix @ prior @ matrix.T + 0.01**2 * np.eye(len(rows)))
    expected = prior - gain @ matrix @ prior
    for row in rows:
        vector = np.array([row[a] for a in names])
        assert found.deviation(row) == pytest.approx(np.sqrt(vector @ expected @ vector), rel=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 30))
def test_doing_more_never_costs_less(seed, count):
    rng = np.random.default_rng(seed)
    rows = _rows(count, rng)
    found = Sum(rows, rng.uniform(0.1, 100, count))
    row = rows[0]
    for amount in row:
        assert found.of(row | {amount: row[amount] * 2}) >= found.of(row) > 0
