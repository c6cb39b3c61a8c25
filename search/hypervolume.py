"""Hypervolume of accuracy against costs, and how much of it a candidate may be expected to add.

Accuracy is to be high and every cost low. Whatever costs one allows, up to the reference, there is a best accuracy
among the networks that cost no more: a staircase over the costs, and the hypervolume is the volume below it. A
candidate's costs are known before it is trained and only its accuracy is a guess, so the hypervolume that it may be
expected to add has a closed form for any number of costs: over each step the ordinary expected improvement
(Jones et al. 1998, eq. 15) above that step's accuracy, times the part of the step that the candidate is cheap enough
for. For one cost this is the expected hypervolume improvement of Emmerich et al. (2011) with one certain objective.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

_CHUNK = 4_000_000  # numbers in memory at once


@dataclass(frozen=True)
class Staircase:
    """The best accuracy for any costs up to the reference.

    Attributes:
        edges: for each cost the borders of the steps, from -inf to the reference, ascending.
        best: accuracy on each step, one axis for each cost; the floor where no network is cheap enough.
        floor: the accuracy from which the hypervolume counts.
    """

    edges: tuple[np.ndarray, ...]
    best: np.ndarray
    floor: float


def domination_counts(accuracies: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Return for points (n,) and (n, k) how many others are at least as good in all and better in one."""
    values = np.column_stack([-accuracies, costs])
    no_worse = np.all(values[:, None] <= values, axis=2)
    return np.sum(no_worse & ~no_worse.T, axis=0)


def staircase(
    accuracies: np.ndarray,
    costs: np.ndarray,
    *,
    reference: Sequence[float],
    floor: float,
    max_steps: int | None = None,
) -> Staircase:
    """Return the staircase of points (n,) and (n, k) up to k reference costs; no costs make one step.

    More than `max_steps` steps are avoided by leaving out points of the front, evenly over its accuracies.
    """
    ends = np.asarray(reference or (1.0,))
    costs = _one_cost_at_least(costs, len(accuracies), len(ends))
    inside = np.all(costs < ends, axis=1) & (accuracies > floor)
    accuracies, costs = accuracies[inside], costs[inside]
    front = np.flatnonzero(domination_counts(accuracies, costs) == 0)
    most = int(max_steps ** (1 / len(ends))) if max_steps else len(front)
    if len(front) > most:
        front = front[np.argsort(accuracies[front])][np.linspace(0, len(front) - 1, most).astype(int)]
    accuracies, costs = accuracies[front], costs[front]
    edges = tuple(np.array([-np.inf, *np.unique(column), end]) for column, end in zip(costs.T, ends, strict=True))
    best = np.full([len(edge) - 1 for edge in edges], floor)
    steps = tuple(np.searchsorted(edge, column) for edge, column in zip(edges, costs.T, strict=True))
    np.maximum.at(best, steps, accuracies)
    for axis in range(best.ndim):
        best = np.maximum.accumulate(best, axis=axis)
    return Staircase(edges, best, floor)


def hypervolume(accuracies: np.ndarray, costs: np.ndarray, *, reference: Sequence[float], floor: float) -> float:
    """Return the volume between `floor` and the best accuracies of points (n,), (n, k) up to k reference costs."""
    stairs = staircase(accuracies, costs, reference=reference, floor=floor)
    # the first step of each cost reaches down to -inf: no network is that cheap, nothing is above the floor
    volume = stairs.best[(slice(1, None),) * stairs.best.ndim] - floor
    for edge in stairs.edges:
        volume = np.tensordot(np.diff(edge[1:]), volume, axes=1)
    return float(volume)


def expected_improvement(stairs: Staircase, mean: np.ndarray, std: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Return the hypervolume (n,) that candidates of certain costs (n, k) may be expected to add.

    Their accuracies are normal with `mean` (n,) and `std` (n,), independently of each other.
    """
    costs = _one_cost_at_least(costs, len(mean), len(stairs.edges))
    levels, level_of_step = np.unique(stairs.best, return_inverse=True)
    total, size = np.empty(len(mean)), max(1, _CHUNK // stairs.best.size)
    for start in range(0, len(mean), size):
        part = slice(start, start + size)
        gain = expected_excess(mean[part, None], std[part, None], levels)
        volume = gain[:, level_of_step.reshape(stairs.best.shape)]
        for edge, column in zip(stairs.edges, costs[part].T, strict=True):
            width = np.clip(edge[1:] - np.maximum(edge[:-1], column[:, None]), 0, None)
            volume = np.einsum("ni,ni...->n...", width, volume)
        total[part] = volume
    return total


def expected_excess(mean: np.ndarray, std: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return the mean of what a normal variable has above `level`, nothing where it is below."""
    std = np.maximum(std, 1e-12)
    above = (mean - level) / std
    density = np.exp(-0.5 * above**2) / np.sqrt(2 * np.pi)
    return np.maximum(std * (above * ndtr(above) + density), 0.0)


def _one_cost_at_least(costs: np.ndarray, count: int, width: int) -> np.ndarray:
    """Return costs (count, width); where there is no cost at all, one that is 0 for all."""
    nothing = width == 1 and np.shape(costs) == (count, 0)
    return np.zeros((count, 1)) if nothing else np.reshape(costs, (count, width))
