"""Widths by search: clusters of channels to start from, then a particle swarm or Optuna."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.allocation import Kept, least_important, nearest_width
from model_compression.pruning.channels import ChannelGroup, Pruned, Shape, channel_groups, prune_channels

Fitness = Callable[[nn.Module], float]
Method = Literal["swarm", "optuna", "random"]

_INERTIA, _OWN, _SHARED = 0.729, 1.494, 1.494  # Clerc and Kennedy's constriction, IEEE TEC 2002


@method(
    "automatic-channel-pruning",
    "pruning",
    paper="Chang et al., Automatic channel pruning via clustering and swarm intelligence, 2022",
)
def automatic_channel_pruning(
    network: nn.Module,
    images: Tensor,
    fitness: Fitness,
    *,
    scores: Mapping[str, Tensor],
    shape: Shape,
    groups: Sequence[ChannelGroup] | None = None,
    similarity: float = 0.8,
    evaluations: int = 60,
    search: Method = "swarm",
    least: float = 0.1,
    align: int = 1,
    seed: int = 0,
) -> Pruned:
    """Search the count of channels of each group, starting from the number of clusters of alike feature maps.

    Args:
        images: (N, C, H, W) whose feature maps are compared.
        fitness: of a pruned network, higher is better: accuracy less a price of milliseconds, for instance.
        scores: which channels stay.
        similarity: correlation from which on maps are of one cluster.
        evaluations: networks that are tried.
        search: "swarm", or Optuna's TPE with "optuna"; "random" to compare with.
        least: share of each group that stays.
    """
    groups = tuple(channel_groups(network, shape) if groups is None else groups)
    judged = [group for group in groups if group.name in scores]
    clusters = channel_clusters(network, judged, images, similarity=similarity)
    known: dict[tuple[int, ...], float] = {}

    def counts(shares: np.ndarray) -> Kept:
        return {g.name: nearest_width(g, s * g.size, align=align) for g, s in zip(judged, shares, strict=True)}

    def loss(shares: np.ndarray) -> float:
        kept = counts(shares)
        key = tuple(kept.values())
        if key not in known:
            removed = least_important(groups, scores, kept)
            known[key] = -fitness(prune_channels(network, removed, shape, groups=groups))
        return known[key]

    start = np.array([clusters[group.name] / group.size for group in judged]).clip(least, 1)
    best, _ = minimize(
        loss,
        np.full(len(judged), least),
        np.ones(len(judged)),
        evaluations=evaluations,
        start=start,
        search=search,
        seed=seed,
    )
    removed = least_important(groups, scores, counts(best))
    return Pruned(prune_channels(network, removed, shape, groups=groups), removed)


@torch.no_grad()
def channel_clusters(
    network: nn.Module, groups: Sequence[ChannelGroup], images: Tensor, *, similarity: float
) -> dict[str, int]:
    """Return for each group the clusters of its feature maps, joined while they correlate that much on average."""
    from scipy.cluster.hierarchy import fcluster, linkage

    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: maps.update({name: output.transpose(0, 1).flatten(1).clone()})

    handles = [network.get_submodule(group.name).register_forward_hook(keep(group.name)) for group in groups]
    training = network.training
    try:
        network.eval()(images)
    finally:
        for handle in handles:
            handle.remove()
        network.train(training)
    found = {}
    for group in groups:
        rows = maps[group.name].double()
        rows = torch.nn.functional.normalize(rows - rows.mean(1, keepdim=True)).numpy()
        distance = np.clip(1 - rows @ rows.T, 0, None)[np.triu_indices(group.size, 1)]
        found[group.name] = int(fcluster(linkage(distance, "average"), 1 - similarity, "distance").max())
    return found


def minimize(
    loss: Callable[[np.ndarray], float],
    low: np.ndarray,
    high: np.ndarray,
    *,
    evaluations: int,
    start: np.ndarray | None = None,
    search: Method = "swarm",
    seed: int = 0,
) -> tuple[np.ndarray, float]:
    """Return the best point found in the box `low`..`high` by so many evaluations, and its loss.

    `start` is tried first, and the search begins around it.
    """
    if evaluations < 1 or not (low <= high).all():
        raise PruningError("a search needs one evaluation at least, and lower bounds below the upper ones")
    if search == "optuna":
        return _by_optuna(loss, low, high, evaluations, start, seed)
    random = np.random.default_rng(seed)
    if search == "random":
        points = random.uniform(low, high, (evaluations, len(low)))
        if start is not None:
            points[0] = start
        values = [loss(point) for point in points]
        return points[int(np.argmin(values))], float(min(values))
    return _by_swarm(loss, low, high, evaluations, start, random)


def _by_swarm(
    loss: Callable[[np.ndarray], float],
    low: np.ndarray,
    high: np.ndarray,
    evaluations: int,
    start: np.ndarray | None,
    random: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Kennedy and Eberhart's particle swarm, each particle drawn to its own best and to that of all."""
    size, width = min(evaluations, 12, max(4, int(evaluations**0.5))), high - low
    place = random.uniform(low, high, (size, len(low)))
    if start is not None:  # half of the swarm about the clusters' counts
        about = start + random.normal(0, 0.15, (size, len(low))) * width
        place[: (size + 1) // 2] = np.clip(about, low, high)[: (size + 1) // 2]
        place[0] = start
    speed = random.uniform(-0.2, 0.2, place.shape) * width
    own, own_loss = place.copy(), np.array([loss(p) for p in place])
    spent = size
    while spent < evaluations:
        for i in range(size):
            if spent == evaluations:
                break
            best = own[own_loss.argmin()]
            to_own, to_best = random.random((2, len(low)))
            speed[i] = _INERTIA * speed[i] + _OWN * to_own * (own[i] - place[i]) + _SHARED * to_best * (best - place[i])
            moved = place[i] + speed[i]
            speed[i][(moved < low) | (moved > high)] *= -0.5
            place[i] = np.clip(moved, low, high)
            value = loss(place[i])
            spent += 1
            if value < own_loss[i]:
                own[i], own_loss[i] = place[i], value
    number = int(own_loss.argmin())
    return own[number], float(own_loss[number])


def _by_optuna(
    loss: Callable[[np.ndarray], float],
    low: np.ndarray,
    high: np.ndarray,
    evaluations: int,
    start: np.ndarray | None,
    seed: int,
) -> tuple[np.ndarray, float]:
    import optuna

    names = [f"x{i}" for i in range(len(low))]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=min(10, evaluations // 3 + 1))
    study = optuna.create_study(sampler=sampler)
    if start is not None:
        study.enqueue_trial(dict(zip(names, map(float, start), strict=True)))

    def value(trial: "optuna.Trial") -> float:
        point = [trial.suggest_float(n, lo, hi) for n, lo, hi in zip(names, low, high, strict=True)]
        return loss(np.array(point))

    study.optimize(value, n_trials=evaluations)
    return np.array([study.best_params[name] for name in names]), float(study.best_value)
