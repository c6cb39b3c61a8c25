import random

import pytest

from search.scores import ScoreTask
from search.scores.supernet import score_by_supernet
from search.supernet import Supernet
from zoo import complexity
from zoo.training import TrainConfig


@pytest.fixture(scope="module")
def supernet(small_space):
    return Supernet(small_space, 10, 1)


def test_a_score_is_that_of_the_supernet_with_the_costs_of_the_network(small_space, digits, supernet):
    spec = small_space.sample(random.Random(0))
    task = ScoreTask(7, spec.to_json(), TrainConfig(epochs=1))
    score = score_by_supernet(task, digits, supernet=supernet, recalibration_images=128)
    assert (score.trial, score.failure) == (7, "")
    assert score.accuracy == supernet.score(spec, digits, recalibration_images=128)
    cost = complexity(spec.build(10, 1), (1, spec.resolution, spec.resolution))
    assert (score.params, score.macs) == (cost.params, cost.macs)


def test_a_failure_is_part_of_the_answer(tiny, digits, supernet):
    task = ScoreTask(1, tiny.sample(random.Random(0)).to_json(), TrainConfig(epochs=1))
    score = score_by_supernet(task, digits, supernet=supernet)
    assert score.accuracy is None and score.failure.startswith("SupernetError: ")
