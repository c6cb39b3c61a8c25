"""Chance: what every criterion has to beat."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model_compression.pruning.channels import ChannelGroup
from model_compression.pruning.importance import IMPORTANCES, Batches


@IMPORTANCES.register("random")
def random(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """Equal draws for equal groups."""
    generator = torch.Generator().manual_seed(0)
    return {group.name: torch.rand(group.size, generator=generator) for group in groups}
