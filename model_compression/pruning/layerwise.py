"""Channels removed layer by layer, and the weights that are left refitted to what the layer gave before."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.methods import method
from model_compression.pruning.allocation import Kept
from model_compression.pruning.channels import (
    ChannelGroup,
    Shape,
    channel_groups,
    kept_channels,
    prune_channels,
    remaining_groups,
)
from zoo.counting import macs_by_module

_ROWS = 8192  # equations of a least-squares problem


@dataclass(frozen=True)
class Refit:
    """Mean squared error of a layer's output, with its inputs removed, before and after the refit."""

    group: str
    layer: str
    before: float
    after: float


@dataclass(frozen=True)
class Reconstructed:
    """A pruned network with refitted weights; `removed` are channels of the unpruned one, `refits` in order."""

    network: nn.Module
    removed: dict[str, list[int]]
    refits: tuple[Refit, ...]


@method("energy-aware-pruning", "pruning", paper="arXiv:1611.05128")
def energy_aware_pruning(
    network: nn.Module,
    kept: Kept,
    images: Tensor,
    *,
    scores: Mapping[str, Tensor],
    shape: Shape,
    energy: Mapping[str, float] | None = None,
    groups: Sequence[ChannelGroup] | None = None,
) -> Reconstructed:
    """Prune the layers that cost most first, each with its readers refitted in closed form (arXiv:1611.05128, sec. 4).

    What is pruned first still has the most freedom to be made up for. Train the whole network afterwards.

    Args:
        energy: of each group, as a table of the device has it (joules or milliseconds); multiply-adds by default.
    """
    groups = channel_groups(network, shape) if groups is None else groups
    if energy is None:
        macs = macs_by_module(network, shape[1:])
        energy = {g.name: sum(macs.get(s.layer, 0) for s in g.slices) for g in groups}
    order = sorted((g.name for g in groups if g.name in kept), key=lambda name: -energy[name])
    return layerwise_pruning(network, kept, images, scores=scores, shape=shape, order=order, groups=groups)


@method("layer-wise-refined-pruning", "pruning", paper="arXiv:1707.06168; arXiv:1707.06342")
def layerwise_pruning(
    network: nn.Module,
    kept: Kept,
    images: Tensor,
    *,
    scores: Mapping[str, Tensor],
    shape: Shape,
    order: Sequence[str] | None = None,
    groups: Sequence[ChannelGroup] | None = None,
) -> Reconstructed:
    """Remove the channels of least score group by group; before the next one, refit the layers that read them.

    The weights are the least-squares solution for what the same layer of the unpruned network gives, given what the
    pruned network now feeds it. Layers of grouped convolutions are left as they are.

    Args:
        kept: channels of each group; those not named stay whole.
        images: (N, C, H, W) as the network sees them; no labels are needed.
        order: of the groups; the network's by default.
    """
    groups = tuple(channel_groups(network, shape) if groups is None else groups)
    named, current = {group.name: group for group in groups}, groups
    teacher, network = copy.deepcopy(network).eval(), copy.deepcopy(network).eval()
    removed: dict[str, list[int]] = {}
    outputs = {part.layer: group.name for group in groups for part in group.slices if part.side == "out"}
    refits: list[Refit] = []
    for name in [group.name for group in groups] if order is None else order:
        group = named[name]
        channels = group.lowest(scores[name], group.size - kept.get(name, group.size))
        if not channels:
            continue
        network = prune_channels(network, {name: channels}, shape, groups=current)
        current, removed[name] = remaining_groups(current, {name: channels}), channels
        for reader in group.readers:
            rows = _kept_outputs(reader, teacher, named.get(outputs.get(reader, "")), removed)
            if (refit := _refit(network, teacher, reader, images, rows)) is not None:
                refits.append(Refit(name, reader, *refit))
    return Reconstructed(network, removed, tuple(refits))


def _kept_outputs(
    layer: str, teacher: nn.Module, group: ChannelGroup | None, removed: Mapping[str, Sequence[int]]
) -> list[int]:
    """Return the outputs of a layer of the unpruned network that the pruned one still has, in order."""
    total = len(teacher.get_submodule(layer).weight)
    if group is None:
        return list(range(total))
    part = next(s for s in group.slices if s.layer == layer and s.side == "out")
    left = {own for channel in kept_channels(group, removed) for own in part.index[channel]}
    covered = {own for numbers in part.index for own in numbers}
    return [c for c in range(total) if c in left or c not in covered]


@torch.no_grad()
def _refit(
    network: nn.Module, teacher: nn.Module, name: str, images: Tensor, rows: Sequence[int]
) -> tuple[float, float] | None:
    """Refit one layer in place; return its error before and after, None for a kind that has no closed form here."""
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Linear) and not (isinstance(layer, nn.Conv2d) and layer.groups == 1):
        return None
    seen, expected = _passing(network, name, images)[0], _passing(teacher, name, images)[1]
    if isinstance(layer, nn.Linear):
        inputs, targets = seen.flatten(0, -2), expected.flatten(0, -2)
    else:
        inputs = _patches(layer, seen).transpose(1, 2).flatten(0, 1)
        targets = expected.flatten(2).transpose(1, 2).flatten(0, 1)
    targets = targets[:, list(rows)]
    if len(inputs) > _ROWS:
        chosen = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))[:_ROWS]
        inputs, targets = inputs[chosen], targets[chosen]
    inputs, targets = inputs.double(), targets.double()
    weight = layer.weight.flatten(1).double().T
    if layer.bias is not None:
        inputs, weight = F.pad(inputs, (0, 1), value=1.0), torch.cat([weight, layer.bias.double()[None]])
    before = float((inputs @ weight - targets).square().mean())
    fitted = least_squares(inputs, targets)
    after = float((inputs @ fitted - targets).square().mean())
    if not after < before:
        return before, before
    if layer.bias is not None:
        layer.bias.copy_(fitted[-1])
        fitted = fitted[:-1]
    layer.weight.copy_(fitted.T.reshape(layer.weight.shape))
    return before, after


def least_squares(inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the X of least norm that minimises |inputs X - targets|: (rows, in), (rows, out) -> (in, out)."""
    return torch.linalg.lstsq(inputs, targets, driver="gelsd").solution


def _passing(network: nn.Module, name: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what goes into a layer and what comes out."""
    kept: list[tuple[Tensor, Tensor]] = []
    handle = network.get_submodule(name).register_forward_hook(lambda _, x, y: kept.append((x[0].clone(), y.clone())))
    try:
        network(images)
    finally:
        handle.remove()
    return kept[0]


def _patches(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C k k, places), padded as the layer pads."""
    if getattr(layer, "same_padding", False):
        from zoo.blocks.layers import pad_same

        x, padding = pad_same(x, layer.kernel_size, layer.stride, layer.dilation), (0, 0)
    else:
        padding = layer.padding
    return F.unfold(x, layer.kernel_size, layer.dilation, padding, layer.stride)
