"""How much each channel matters. A new criterion is one file here with `@IMPORTANCES.register`."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from model_compression.errors import PruningError
from model_compression.pruning.channels import ChannelGroup, Slice
from zoo.registry import Registry

Batches = Sequence[tuple[Tensor, Tensor]]


class Importance(Protocol):
    """A criterion."""

    def __call__(
        self, network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None
    ) -> dict[str, Tensor]:
        """Return a score of each channel (size,) by group name; those of high score are kept.

        `batches` are of images (N, C, H, W), as the network sees them, and labels (N,). A group that the criterion
        cannot judge is missing from the answer. Raises PruningError where a criterion needs batches and has none.
        """
        ...


IMPORTANCES: Registry[Importance] = Registry("importance", "model_compression.pruning.importance")


def filters(network: nn.Module, group: ChannelGroup) -> Iterator[Tensor]:
    """Yield the weights of each convolution or linear layer that makes the channels: (size, values of a channel)."""
    for part in group.slices:
        layer = network.get_submodule(part.layer)
        if part.side != "in" and isinstance(layer, (_ConvNd, nn.Linear)):
            yield gathered(layer.weight.detach().flatten(1), part)


def gathered(values: Tensor, part: Slice) -> Tensor:
    """Return the rows of `values`, one a channel of the layer, by channel of the group: (size, ...).

    What is no channel of this layer is zero; several rows of one channel are added.
    """
    rows = values.new_zeros(len(part.index), *values.shape[1:])
    places = [(channel, own) for channel, numbers in enumerate(part.index) for own in numbers]
    into, out_of = torch.tensor(places, device=values.device).reshape(-1, 2).unbind(1)
    return rows.index_add(0, into, values[out_of])


def need(batches: Batches | None, criterion: str) -> Batches:
    """Return `batches`; raises PruningError where there are none."""
    if not batches:
        raise PruningError(f"importance {criterion!r} needs batches of images and labels")
    return batches


__all__ = ["IMPORTANCES", "Batches", "Importance", "filters", "gathered", "need"]
