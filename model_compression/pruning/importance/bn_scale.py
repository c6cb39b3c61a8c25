"""Scales of batch normalisations."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from model_compression.pruning.channels import ChannelGroup
from model_compression.pruning.importance import IMPORTANCES, Batches, gathered


@IMPORTANCES.register("bn-scale")
def bn_scale(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """|gamma|, added over the normalisations of the group (arXiv:1708.06519); a group without one is not judged."""
    scores = {}
    for group in groups:
        parts = [p for p in group.slices if isinstance(network.get_submodule(p.layer), _BatchNorm)]
        if parts:
            scores[group.name] = sum(gathered(network.get_submodule(p.layer).weight.detach().abs(), p) for p in parts)
    return scores
