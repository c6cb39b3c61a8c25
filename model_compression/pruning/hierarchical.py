"""Hierarchical channel pruning: what hurts least goes first, with a training after each set of layers."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.allocation import Kept, least_important
from model_compression.pruning.channels import ChannelGroup, Shape, channel_groups, prune_channels, remaining_groups


@dataclass(frozen=True)
class Level:
    """Groups pruned together: their names, and the accuracy before and after the training that followed."""

    groups: tuple[str, ...]
    pruned_accuracy: float
    trained_accuracy: float


@dataclass(frozen=True)
class Hierarchical:
    """A pruned network; `drops` are the accuracies that each group costs alone, `levels` in the order taken."""

    network: nn.Module
    removed: dict[str, list[int]]
    drops: dict[str, float]
    levels: tuple[Level, ...]


@method("hierarchical-channel-pruning", "pruning", paper="Fan et al., HCP, 2021")
def hierarchical_channel_pruning(
    network: nn.Module,
    kept: Kept,
    *,
    scores: Callable[[nn.Module, Sequence[ChannelGroup]], Mapping[str, Tensor]],
    evaluate: Callable[[nn.Module], float],
    tune: Callable[[nn.Module], object],
    shape: Shape,
    groups: Sequence[ChannelGroup] | None = None,
    levels: int = 3,
    on_level: Callable[[Level], None] | None = None,
) -> Hierarchical:
    """Prune groups of channels in `levels` sets, by rising loss of accuracy when pruned alone, and tune after each set.

    Args:
        kept: channels of each group; those not named stay whole.
        scores: asked again for each set, of the network as tuned so far: an entry of IMPORTANCES.
        evaluate: accuracy, higher is better.
        tune: trains a network in place.
    """
    if levels < 1:
        raise PruningError(f"there is one level at least, got {levels}")
    current = tuple(channel_groups(network, shape) if groups is None else groups)
    network, before = copy.deepcopy(network), evaluate(network)
    first, drops = scores(network, current), dict[str, float]()
    for group in current:
        if alone := least_important([group], first, kept):
            drops[group.name] = before - evaluate(prune_channels(network, alone, shape, groups=current))
    order = sorted(drops, key=drops.__getitem__)
    size = -(-len(order) // levels) if order else 1
    removed, taken = dict[str, list[int]](), list[Level]()
    for start in range(0, len(order), size):
        names = tuple(order[start : start + size])
        gone = least_important(current, scores(network, current), {name: kept[name] for name in names})
        network = prune_channels(network, gone, shape, groups=current)
        current = remaining_groups(current, gone)
        removed.update(gone)  # each group is pruned once: numbers are those of the unpruned network
        pruned = evaluate(network)
        tune(network)
        taken.append(Level(names, pruned, evaluate(network)))
        if on_level:
            on_level(taken[-1])
    return Hierarchical(network, removed, drops, tuple(taken))
