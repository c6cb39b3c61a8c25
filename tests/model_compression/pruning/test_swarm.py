"""The swarm on functions with known minima, against chance, and on a network."""

import numpy as np
import pytest
import torch
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.channels import channel_groups
from model_compression.pruning.importance import IMPORTANCES
from model_compression.pruning.swarm import automatic_channel_pruning, channel_clusters, minimize
from zoo.counting import complexity

from .conftest import SHAPE


def sphere(x: np.ndarray) -> float:
    return float(((x - 0.3) ** 2).sum())


def rastrigin(x: np.ndarray) -> float:
    return float(10 * len(x) + (x**2 - 10 * np.cos(2 * np.pi * x)).sum())


def test_minima() -> None:
    low, high = np.full(4, -5.12), np.full(4, 5.12)
    point, loss = minimize(sphere, low, high, evaluations=1500)
    assert loss == sphere(point) < 1e-4
    assert min(minimize(rastrigin, low[:2], high[:2], evaluations=1500, seed=s)[1] for s in range(3)) < 0.1
    assert (low <= point).all() and (point <= high).all()


@pytest.mark.parametrize("search", ["swarm", pytest.param("optuna", marks=pytest.mark.slow)])
def test_better_than_chance_with_60_evaluations(search: str) -> None:
    low, high, wins = np.zeros(6), np.ones(6), 0
    for seed in range(10):
        count = 0

        def counted(x: np.ndarray) -> float:
            nonlocal count
            count += 1
            return sphere(x)

        found = minimize(counted, low, high, evaluations=60, search=search, seed=seed)[1]
        assert count == 60
        wins += found < minimize(sphere, low, high, evaluations=60, search="random", seed=seed)[1]
    assert wins >= 8


def test_the_start_is_tried() -> None:
    start = np.full(3, 0.3)
    for search in ("swarm", "optuna", "random"):
        assert minimize(sphere, np.zeros(3), np.ones(3), evaluations=8, start=start, search=search)[1] < 1e-12
    with pytest.raises(PruningError, match="one evaluation"):
        minimize(sphere, np.zeros(3), np.ones(3), evaluations=0)


def test_copies_are_clusters() -> None:
    network = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.Conv2d(6, 2, 1))
    with torch.no_grad():
        network[0].weight[3:] = 2 * network[0].weight[:3]
    groups = channel_groups(network, SHAPE)
    assert channel_clusters(network, groups, torch.rand(4, 1, 8, 8), similarity=0.999) == {"0": 3}


def test_counts_of_a_network(trained, groups, batches, evaluate) -> None:
    whole = complexity(trained, SHAPE[1:]).macs

    def fitness(network: nn.Module) -> float:
        return evaluate(network) - complexity(network, SHAPE[1:]).macs / whole

    pruned = automatic_channel_pruning(
        trained, batches[0][0], fitness, scores=IMPORTANCES.get("taylor")(trained, groups, batches), shape=SHAPE,
        groups=groups, evaluations=30,
    )  # fmt: skip
    assert pruned.removed and fitness(pruned.network) > fitness(trained)
