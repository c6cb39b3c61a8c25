"""Factors on what layers read: a channel of factor 0 is as good as removed, and can come back."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from model_compression.pruning.channels import ChannelGroup, Removed, Slice

Factors = Callable[[str], Tensor]


def scale_readers(
    network: nn.Module, groups: Sequence[ChannelGroup], factors: Factors, *, straight_through: bool = False
) -> list[torch.utils.hooks.RemovableHandle]:
    """Multiply each channel where it is read; returns the handles of the hooks that do it, to be removed.

    Args:
        factors: of the channels (size,) of the group of that name, asked for in every pass.
        straight_through: gradients pass as if all factors were 1, so that closed channels go on learning.
    """
    readers: dict[str, list[tuple[str, Slice]]] = {}
    for group in groups:
        for part in group.slices:
            if part.side == "in":
                readers.setdefault(part.layer, []).append((group.name, part))

    def listen(layer: nn.Module, parts: list[tuple[str, Slice]]) -> torch.utils.hooks.RemovableHandle:
        axis = -1 if isinstance(layer, nn.Linear) else 1
        places = [_places(part) for _, part in parts]

        def scale(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            x = inputs[0]
            factor = torch.ones(x.shape[axis], device=x.device, dtype=x.dtype)
            for (name, _), (channels, own) in zip(parts, places, strict=True):
                factor = factor.index_copy(0, own.to(x.device), factors(name).to(x)[channels.to(x.device)])
            scaled = x * (factor if axis == -1 else factor.view(-1, *(1 for _ in x.shape[2:])))
            return (x + (scaled - x).detach() if straight_through else scaled, *inputs[1:])

        return layer.register_forward_pre_hook(scale)

    return [listen(network.get_submodule(name), parts) for name, parts in readers.items()]


def fold_factors(network: nn.Module, groups: Sequence[ChannelGroup], factors: Factors) -> None:
    """Multiply the weights that read each channel, in place: the network then gives what the scaled one gave."""
    for group in groups:
        for part in group.slices:
            if part.side == "in":
                layer: Any = network.get_submodule(part.layer)
                weight = layer.weight
                channels, own = _places(part)
                inside = own < weight.shape[1]  # a grouped convolution counts inside a group
                with torch.no_grad():
                    values = factors(group.name).to(weight)[channels[inside]]
                    weight[:, own[inside]] *= values.view(-1, *(1 for _ in weight.shape[2:]))


def ones_but(groups: Sequence[ChannelGroup], removed: Removed) -> dict[str, Tensor]:
    """Return for each group a mask (size,): 0 for the channels `removed`, 1 for the others."""
    masks = {group.name: torch.ones(group.size) for group in groups}
    for name, channels in removed.items():
        masks[name][list(channels)] = 0
    return masks


def _places(part: Slice) -> tuple[Tensor, Tensor]:
    pairs = [(channel, own) for channel, numbers in enumerate(part.index) for own in numbers]
    channels, own = torch.tensor(pairs).reshape(-1, 2).unbind(1)
    return channels, own
