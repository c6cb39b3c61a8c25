"""Norms of filters."""

from collections.abc import Sequence

from torch import Tensor, nn

from model_compression.methods import method
from model_compression.pruning.channels import ChannelGroup
from model_compression.pruning.importance import IMPORTANCES, Batches, filters


@IMPORTANCES.register("l1")
@method("l1-norm-filter-pruning", "pruning", paper="arXiv:1608.08710")
def l1(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """Sum of a filter's absolute weights, added over the layers of the group (arXiv:1608.08710, section 3.1)."""
    return {group.name: sum(w.abs().sum(1) for w in filters(network, group)) for group in groups}


@IMPORTANCES.register("l2")
def l2(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """Length of a filter, added over the layers of the group (the other norm of arXiv:1608.08710, section 4.4)."""
    return {group.name: sum(w.norm(dim=1) for w in filters(network, group)) for group in groups}
