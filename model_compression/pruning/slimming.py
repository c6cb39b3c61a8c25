"""Network slimming: scales of normalisations learn to be zero, and tell which channels can go."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from model_compression.methods import method
from model_compression.pruning.allocation import global_ranking, least_important
from model_compression.pruning.channels import (
    ChannelGroup,
    Pruned,
    Shape,
    channel_groups,
    prune_channels,
    remaining_groups,
)
from model_compression.pruning.importance.bn_scale import bn_scale
from zoo.data.splits import Splits
from zoo.training.loop import TrainConfig, train


@method("network-slimming", "pruning", paper="arXiv:1708.06519")
def network_slimming(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    *,
    share: float,
    shape: Shape,
    strength: float = 1e-3,
    groups: Sequence[ChannelGroup] | None = None,
    align: int = 1,
    rounds: int = 1,
    fine_tune: TrainConfig | None = None,
) -> Pruned:
    """Train with an L1 penalty on the scales, then remove the share of channels of least scale (arXiv:1708.06519).

    Args:
        share: of all channels with a normalisation, by one threshold over all layers; reached in equal parts over
            `rounds` of training and removing.
        strength: of the penalty, lambda of equation 1.
        fine_tune: how the pruned network is trained at the end; not at all by default.

    `network` itself is left as it is.
    """
    network = copy.deepcopy(network)
    groups = tuple(channel_groups(network, shape) if groups is None else groups)
    removed: dict[str, list[int]] = {}
    original = {group.name: list(range(group.size)) for group in groups}
    for number in range(rounds):
        train_with_sparse_scales(network, data, config, groups, strength=strength, resolution=shape[-1])
        scores = bn_scale(network, groups)
        left = 1 - share * number / rounds
        kept = global_ranking(groups, scores, share / rounds / left, align=align, relative=False)
        gone = least_important(groups, scores, kept)
        network = prune_channels(network, gone, shape, groups=groups)
        groups = remaining_groups(groups, gone)
        for name, channels in gone.items():
            removed[name] = sorted([*removed.get(name, ()), *(original[name][c] for c in channels)])
            original[name] = [c for i, c in enumerate(original[name]) if i not in set(channels)]
    if fine_tune:
        train(network, data, fine_tune, resolution=shape[-1])
    return Pruned(network, removed)


def train_with_sparse_scales(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    groups: Sequence[ChannelGroup],
    *,
    strength: float,
    resolution: int,
) -> None:
    """Train `network` in place, the absolute scales of the groups' normalisations added to the loss."""
    gammas = scales(network, groups)

    def loss(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels) + strength * torch.cat(gammas).abs().sum()

    train(network, data, config, resolution=resolution, loss=loss)


def scales(network: nn.Module, groups: Sequence[ChannelGroup]) -> list[Tensor]:
    """Return the scales of the normalisations of all `groups`, each once."""
    names = dict.fromkeys(part.layer for group in groups for part in group.slices if part.side == "both")
    layers = [network.get_submodule(name) for name in names]
    return [layer.weight for layer in layers if isinstance(layer, _BatchNorm) and layer.weight is not None]
