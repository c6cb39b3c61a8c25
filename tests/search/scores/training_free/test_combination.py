import math

import numpy as np
import pytest

from search import SearchError
from search.scores.training_free import COMBINED, PROXIES, combine


def test_logarithms_of_ranks_add_up():
    scores = {"a": [10.0, 20.0, 30.0], "b": [5.0, 1.0, float("nan")], "c": [0.0, 0.0, 0.0]}
    expected = [math.log(1 / 3) + math.log(3 / 3), 2 * math.log(2 / 3), math.log(3 / 3) + math.log(1 / 3)]
    assert combine(scores, ("a", "b")) == pytest.approx(expected)
    assert combine(scores, ("a", "c")) == pytest.approx([math.log(r / 3) + math.log(2 / 3) for r in (1, 2, 3)])


def test_only_order_matters():
    values = np.random.default_rng(0).normal(size=(2, 50))
    plain = combine({"a": values[0], "b": values[1]}, ("a", "b"))
    assert combine({"a": np.exp(values[0]), "b": 7 * values[1] - 3}, ("a", "b")) == pytest.approx(plain)


def test_one_poor_score_weighs_more_than_a_good_one():
    scores = {"a": [1.0, 2.0, 3.0], "b": [3.0, 2.0, 1.0]}
    assert combine(scores, ("a", "b")).argmax() == 1


def test_what_cannot_be_combined_is_told_in_one_line():
    with pytest.raises(SearchError, match="no scores called b; there are a"):
        combine({"a": [1.0]}, ("a", "b"))
    with pytest.raises(SearchError, match="different numbers of networks"):
        combine({"a": [1.0], "b": [1.0, 2.0]}, ("a", "b"))


def test_the_default_names_are_registered():
    assert set(COMBINED) <= set(PROXIES)
