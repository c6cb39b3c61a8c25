import itertools
import random

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from edgezoo.report.progress import progress_of
from search import Candidate, SearchResult


@pytest.mark.parametrize("seed", range(5))
def test_the_hypervolume_is_that_of_optuna(tiny, seed):
    rng, budget, spec = random.Random(seed), 2.0, tiny.sample(random.Random(0))
    # few different values: many ties, and some beyond the budget
    pairs = [(rng.randrange(11) / 10, rng.randrange(1, 14) / 6) for _ in range(40)]
    candidates = tuple(Candidate(i, spec, accuracy, ms, 1, 1) for i, (accuracy, ms) in enumerate(pairs))
    steps = progress_of(SearchResult(candidates, budget, 0, {}))
    assert [step.trial for step in steps] == list(range(40))
    for count, step in enumerate(steps, start=1):
        losses = np.array([(-accuracy, ms) for accuracy, ms in pairs[:count] if ms <= budget]).reshape(-1, 2)
        expected = compute_hypervolume(losses, np.array([0.0, budget])) / budget
        assert step.hypervolume == pytest.approx(expected, abs=1e-12)
        assert step.best == max(accuracy for accuracy, _ in pairs[:count])


def test_a_search_never_gets_worse(found):
    steps = progress_of(found.result)
    assert len(steps) == len(found.result.candidates)
    for before, after in itertools.pairwise(steps):
        assert after.best >= before.best and after.hypervolume >= before.hypervolume
    assert 0 < steps[-1].hypervolume < 1
