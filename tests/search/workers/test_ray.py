import random

import pytest

from search.scores import ScoreTask
from search.workers import InProcess, RayWorkers
from zoo.training import TrainConfig


@pytest.fixture(scope="module")
def tasks(small_space):
    rng = random.Random(0)
    specs = [small_space.sample(rng).to_json() for _ in range(3)] + ["{}"]
    return [ScoreTask(i, spec, TrainConfig(epochs=1)) for i, spec in enumerate(specs)]


def test_in_process_and_ray_score_every_task_once(tasks, digits):
    import torch

    here = {score.trial: score for score in InProcess(digits).scores(tasks)}
    workers = RayWorkers(digits, 2)
    try:
        there = {score.trial: score for score in workers.scores(tasks)}
    finally:
        workers.close()
    assert sorted(here) == sorted(there) == [0, 1, 2, 3]
    for trial in (0, 1, 2):
        assert there[trial].params == here[trial].params > 0
        assert there[trial].accuracy == pytest.approx(here[trial].accuracy, abs=0.15)
        assert not there[trial].failure
    assert here[3].accuracy is None and there[3].failure.startswith("SpecError")
    assert torch.get_num_threads() >= 1
