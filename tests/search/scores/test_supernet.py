import random

import pytest

from search.scores import ScoreTask, score
from search.supernet import Supernet, save_supernet
from zoo import complexity
from zoo.training import TrainConfig


@pytest.fixture(scope="module")
def supernet(small_space):
    return Supernet(small_space, 10, 1).eval()


@pytest.fixture
def path(supernet, tmp_path):
    save_supernet(supernet, tmp_path / "supernet.safetensors")
    return str(tmp_path / "supernet.safetensors")


def _task(spec, path):
    return ScoreTask(7, spec.to_json(), TrainConfig(epochs=1), score="supernet", supernet=path)


def test_a_score_is_that_of_the_supernet_with_the_costs_of_the_network(small_space, digits, supernet, path):
    spec = small_space.sample(random.Random(0))
    found = score(_task(spec, path), digits)
    assert (found.trial, found.failure) == (7, "")
    assert found.accuracy == supernet.score(spec, digits)
    cost = complexity(spec.build(10, 1), (1, spec.resolution, spec.resolution))
    assert (found.params, found.macs) == (cost.params, cost.macs)


def test_a_failure_is_part_of_the_answer(tiny, digits, path):
    found = score(_task(tiny.sample(random.Random(0)), path), digits)
    assert found.accuracy is None and found.failure.startswith("SupernetError: ")


def test_without_a_supernet_it_says_what_to_do(small_space, digits):
    found = score(_task(small_space.sample(random.Random(0)), ""), digits)
    assert found.failure.startswith("SearchError: the score 'supernet' needs a trained supernet")
