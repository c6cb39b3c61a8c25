"""Channels of the first convolution alone."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.allocation import least_important, uniform
from model_compression.pruning.channels import ChannelGroup, Pruned, Shape, channel_groups, prune_channels


@method("first-layer-channel-pruning", "pruning", paper="Chung and Partel, 2020")
def first_layer_pruning(
    network: nn.Module,
    share: float,
    *,
    scores: Mapping[str, Tensor],
    shape: Shape,
    groups: Sequence[ChannelGroup] | None = None,
    align: int = 1,
) -> Pruned:
    """Remove a share of the channels that the first convolution makes: colours and edges that others tell as well.

    Only it and the layers that share or read its channels change. Raises PruningError where it cannot be pruned.
    """
    groups = channel_groups(network, shape) if groups is None else groups
    first = next(
        (name for name, m in network.named_modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d)), None
    )
    stem = next((group for group in groups if group.name == first), None)
    if stem is None:
        raise PruningError(f"the channels of the first convolution, {first!r}, cannot be pruned by themselves")
    removed = least_important([stem], scores, uniform([stem], share, align=align))
    return Pruned(prune_channels(network, removed, shape, groups=groups), removed)
