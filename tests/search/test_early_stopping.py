import pytest

from search.early_stopping import PRUNERS, EarlyStopping
from zoo import EdgezooError

_CURVES = [(0.2, 0.3, 0.4), (0.5, 0.6, 0.7), (0.6, 0.7, 0.8)]


def test_none_stops_nothing():
    stopping = EarlyStopping("none", 3, _CURVES)
    assert all(stopping.goes_on(9, epoch, 0.0) for epoch in (1, 2, 3))


def test_asha_keeps_the_best_third_of_each_rung():
    stopping = EarlyStopping("asha", 3, _CURVES)
    assert not stopping.goes_on(1, 1, 0.1)
    assert stopping.goes_on(2, 1, 0.9)
    assert stopping.goes_on(2, 2, 0.9)


def test_median_stops_what_is_below_the_median_of_its_epoch():
    curves = [(0.1, 0.2), (0.1, 0.4), (0.1, 0.6), (0.1, 0.8)]
    low, high = EarlyStopping("median", 2, curves), EarlyStopping("median", 2, curves)
    assert low.goes_on(1, 1, 0.1) and not low.goes_on(1, 2, 0.45)
    assert high.goes_on(1, 1, 0.1) and high.goes_on(1, 2, 0.55)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_played_in_curves_give_the_answers_that_were_given(pruner):
    new = [(0.3, 0.35, 0.5), (0.7, 0.75, 0.85), (0.1, 0.2, 0.9), (0.8, 0.85, 0.9)]
    whole, seen, answers = EarlyStopping(pruner, 3), [], []
    for trial, curve in enumerate(_CURVES + new):
        told = []
        for epoch, accuracy in enumerate(curve, 1):
            told.append(accuracy)
            answers.append(whole.goes_on(trial, epoch, accuracy))
            if not answers[-1]:
                break
        seen.append(told)
    again = EarlyStopping(pruner, 3, seen[:5])
    for trial, told in enumerate(seen[5:], 5):
        before = sum(map(len, seen[:trial]))
        for epoch, accuracy in enumerate(told, 1):
            assert again.goes_on(trial, epoch, accuracy) == answers[before + epoch - 1]


def test_an_unknown_pruner_is_named():
    with pytest.raises(EdgezooError, match="unknown pruner 'ahsa'; did you mean 'asha'"):
        EarlyStopping("ahsa", 3)
