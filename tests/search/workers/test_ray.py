import random
import time

import pytest

from latency_tables.machine import available_cores
from search import SearchError, run_search
from search.early_stopping import EarlyStopping
from search.scores import ScoreTask
from search.storage import open_study
from search.workers import InProcess, RayWorkers
from zoo.training import TrainConfig

_NODES = {"num_cpus": 1, "object_store_memory": 200 * 2**20}


@pytest.fixture(scope="module")
def tasks(small_space):
    rng = random.Random(0)
    specs = [small_space.sample(rng).to_json() for _ in range(3)] + ["{}"]
    return [ScoreTask(i, spec, TrainConfig(epochs=1)) for i, spec in enumerate(specs)]


def _scores(workers, tasks):
    for task in tasks:
        workers.submit(task)
    scores = []
    while len(scores) < len(tasks):
        score = workers.next(1.0)
        if score:
            scores.append(score)
    return {score.trial: score for score in scores}


def test_in_process_and_ray_score_every_task_once(tasks, digits):
    import torch

    here = _scores(InProcess(digits, EarlyStopping("none", 1)), tasks)
    workers = RayWorkers(digits, 2)
    try:
        there = _scores(workers, tasks)
    finally:
        workers.close()
    assert sorted(here) == sorted(there) == [0, 1, 2, 3]
    for trial in (0, 1, 2):
        assert there[trial].params == here[trial].params > 0
        assert there[trial].accuracy == pytest.approx(here[trial].accuracy, abs=0.15)
        assert there[trial].curve == (there[trial].accuracy,)
        assert not there[trial].failure
    assert here[3].accuracy is None and there[3].failure.startswith("SpecError")
    assert torch.get_num_threads() >= 1


def test_workers_without_an_address_leave_another_cluster_of_this_machine_alone(digits, monkeypatch):
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=_NODES)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    try:
        workers = RayWorkers(digits, 1)
        try:
            assert ray.get_runtime_context().gcs_address != cluster.address
        finally:
            workers.close()
    finally:
        cluster.shutdown()


def test_a_cluster_that_is_not_there_is_one_line(digits):
    with pytest.raises(SearchError, match=r"cannot join the Ray cluster at 127\.0\.0\.1:1: .*is it up\?") as caught:
        RayWorkers(digits, 1, "127.0.0.1:1")
    assert "\n" not in str(caught.value)


def test_a_killed_node_loses_no_trial_and_repeats_none(small_space, small_table, digits, tmp_path, scored_once):
    """A real cluster of a head that does not train and two nodes, one of them killed in the middle of the search."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 200 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(**_NODES) for _ in range(2)]
    killed = []

    def kill_one(done, total, best):
        if done == 3 and not killed:
            killed.append(nodes[0])
            cluster.remove_node(nodes[0], allow_graceful=False)

    try:
        ray.init(address=cluster.address, log_to_driver=False)
        run_search(
            small_space,
            digits,
            small_table,
            1000.0,
            trials=8,
            storage=tmp_path,
            workers=2,
            epochs=2,
            pruner="median",
            on_trial=kill_one,
        )
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert killed
    scored_once(open_study(tmp_path), 8)


@pytest.mark.slow
@pytest.mark.skipif(available_cores() < 2, reason="needs two cores")
def test_two_workers_are_nearly_twice_as_fast(tiny, small_table, digits):
    rng = random.Random(0)
    tasks = [ScoreTask(i, tiny.sample(rng).to_json(), TrainConfig(epochs=3)) for i in range(12)]
    seconds = {}
    for count in (1, 2):
        workers = RayWorkers(digits, count)
        try:
            _scores(workers, tasks[:count])  # imports in each process
            started = time.perf_counter()
            _scores(workers, tasks)
            seconds[count] = time.perf_counter() - started
        finally:
            workers.close()
    assert seconds[1] / seconds[2] > 1.6  # the figure itself is in docs/benchmarks.md
