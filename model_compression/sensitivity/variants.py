"""Networks with one layer compressed: channels taken out, or a lower rank."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model_compression.low_rank.allocation import is_smaller
from model_compression.low_rank.covariance import input_covariances
from model_compression.low_rank.decomposition import DECOMPOSITIONS, kernel_of
from model_compression.low_rank.factorize import Factors, factorize
from model_compression.low_rank.layers import decomposable, get_layers, input_shapes
from model_compression.pruning.allocation import least_important, nearest_width
from model_compression.pruning.channels import Shape, channel_groups, prune_channels
from model_compression.pruning.importance import IMPORTANCES
from model_compression.sensitivity.report import Action

_MULTIPLE = 8  # of channels and ranks: what lies between is slow on most devices


class Variant(NamedTuple):
    """One action on one layer; `others` lose channels with it, `make` gives the network then."""

    layer: str
    action: Action
    others: tuple[str, ...]
    make: Callable[[], nn.Module]


def pruned_variants(
    network: nn.Module, shape: Shape, batches: Sequence[tuple[Tensor, Tensor]], actions: Sequence[Action]
) -> Iterator[Variant]:
    """Give the network without the least important channels of one group, for each group and level."""
    groups = channel_groups(network, shape)
    scores = IMPORTANCES.get("taylor")(copy.deepcopy(network), groups, batches)
    for group in groups:
        for action in actions:
            width = nearest_width(group, group.size * (1 - action.level), align=_MULTIPLE)
            if removed := least_important([group], scores, {group.name: width}):
                others = tuple(name for name in group.layers if name != group.name)
                make = _bound(prune_channels, network, removed, shape, groups=groups)
                yield Variant(group.name, action, others, make)


def low_rank_variants(
    network: nn.Module, shape: Shape, batches: Sequence[tuple[Tensor, Tensor]], actions: Sequence[Action]
) -> Iterator[Variant]:
    """Give the network with one layer of a lower rank, fitted to what it sees, where that is smaller."""
    shapes = input_shapes(network, shape, list(decomposable(network, ("svd",))))
    covariances = input_covariances(network, torch.cat([images for images, _ in batches]), list(shapes))
    for name, layer in get_layers(network, list(shapes)).items():
        kind = "svd" if kernel_of(layer) == (1, 1) else "tucker"
        way, seen = DECOMPOSITIONS.get(kind)(), set()
        for action in actions:
            ranks = way.scaled(layer, action.level, _MULTIPLE)
            if ranks not in seen and is_smaller(kind, layer, ranks, shapes[name]):
                seen.add(ranks)
                make = _bound(factorize, network, {name: Factors(kind, ranks)}, covariances=covariances)
                yield Variant(name, action, (), make)


def _bound(make: Callable[..., nn.Module], *args: object, **more: object) -> Callable[[], nn.Module]:
    return lambda: make(*args, **more).eval()
