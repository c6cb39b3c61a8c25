import numpy as np
import pytest
import torch

from model_compression.recipe.judgement import Attempt, Interval, StepReport, describe, judge, paired_drop


def _rights(count, share, seed=0):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed)) < share


def test_the_interval_of_a_drop_covers_the_true_one_as_often_as_it_says():
    rng, covered, true_drop = np.random.default_rng(0), 0, 0.03
    for _ in range(2000):
        kind = rng.choice(4, size=300, p=[0.8, 0.05, 0.02, 0.13])  # both, lost, won, neither
        drop = paired_drop(torch.from_numpy(kind < 2), torch.from_numpy((kind == 0) | (kind == 2)))
        covered += drop.low <= true_drop <= drop.high
    assert 0.93 < covered / 2000 < 0.98


def test_equal_answers_are_no_drop_and_all_wrong_is_a_whole_one():
    right = _rights(200, 0.9)
    assert paired_drop(right, right).value == 0
    every = torch.ones(50, dtype=torch.bool)
    drop = paired_drop(every, ~every)
    assert drop.value == 1 and 0.85 < drop.low < 1 and drop.high == 1


def _ms(value, spread=0.01):
    return Interval(value=value, low=value * (1 - spread), high=value * (1 + spread))


@pytest.mark.parametrize(
    ("lost", "after_ms", "kept"),
    [(1, 0.8, True), (3, 0.8, False), (1, 1.2, False), (1, 0.995, False), (0, None, True), (4, None, False)],
)
def test_a_step_stays_if_it_loses_little_and_is_faster_beyond_doubt(lost, after_ms, kept):
    before = torch.ones(100, dtype=torch.bool)
    after = before.clone()
    after[:lost] = False
    timed = None if after_ms is None else (_ms(1.0), _ms(after_ms))
    assert judge(before, after, timed, max_drop=0.02, max_ratio=1.0).passed is kept


def test_both_faults_are_told():
    right = torch.ones(100, dtype=torch.bool)
    verdict = judge(right, ~right, (_ms(1.0), _ms(2.0)), max_drop=0.01, max_ratio=1.0)
    assert "loses 100.0 points" in verdict.reason and "not faster: 2 ms after 1" in verdict.reason
    report = StepReport(step="prune", attempts=(Attempt(settings={}, verdict=verdict),))
    assert not report.kept and "rolled back" in describe(report)
