"""Which channels of a network can go together, and the network without them.

What is removed is stored as a mapping of group names to channel numbers of the unpruned network; replayed on a fresh
network of the same spec it gives the same shapes, so that no module needs to be stored.
"""

import copy
import itertools
import random
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from model_compression.errors import PruningError
from zoo.errors import unknown_name

Shape = tuple[int, int, int, int]
Side = Literal["out", "in", "both"]
Removed = Mapping[str, Sequence[int]]

_CONVS, _PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d), (nn.Linear, nn.PReLU, _BatchNorm)
_TOLERANCE = 1e-8  # of the outputs in double precision


@dataclass(frozen=True)
class Slice:
    """Where one layer holds the channels of a group.

    Attributes:
        layer: its name in the network.
        side: "out" for channels it makes, "in" for those it reads, "both" for depthwise ones and normalisations.
        index: for each channel of the group the channels of the layer; several behind a flattened map.
    """

    layer: str
    side: Side
    index: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels of several layers that only go together.

    Attributes:
        name: the first layer, in the network's order, that makes the channels.
        size: how many there are.
        multiple: channels go in blocks of so many, one of each group of a grouped convolution.
        blocks: the channels that go together, lists of `multiple` numbers.
        slices: the layers concerned.
    """

    name: str
    size: int
    multiple: int
    blocks: tuple[tuple[int, ...], ...]
    slices: tuple[Slice, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose outputs lose channels."""
        return tuple(s.layer for s in self.slices if s.side != "in")

    @property
    def readers(self) -> tuple[str, ...]:
        """The layers that lose inputs alone."""
        return tuple(s.layer for s in self.slices if s.side == "in")

    def lowest(self, scores: Tensor, count: int) -> list[int]:
        """Return the `count` channels of least score (size,), whole blocks, sorted; the count is rounded down.

        One block stays at least.
        """
        totals = [float(scores[list(block)].sum()) for block in self.blocks]
        order = sorted(range(len(totals)), key=totals.__getitem__)
        chosen = order[: min(count // self.multiple, len(order) - 1)]
        return sorted(channel for b in chosen for channel in self.blocks[b])


@dataclass(frozen=True)
class Pruned:
    """A network without channels, and which they were: numbers of the unpruned network by group, to be stored."""

    network: nn.Module
    removed: dict[str, list[int]]


def channel_groups(network: nn.Module, shape: Shape) -> tuple[ChannelGroup, ...]:
    """Return the groups of channels of `network` that can be pruned, in its order; `shape` (N, C, H, W) of the images.

    The dependencies are those of torch-pruning's graph (DepGraph, arXiv:2301.12900). Each group is then tried out on
    random weights: one whose removal does not give what the masked network gives is left out, and so are outputs of
    the network.

    Raises PruningError for a network that cannot be traced.
    """
    groups = list(_traced_groups(network, shape))
    return tuple(_sound(_randomized(network, shape), groups, shape))


def prune_channels(
    network: nn.Module, removed: Removed, shape: Shape, *, groups: Sequence[ChannelGroup] | None = None
) -> nn.Module:
    """Return a copy of `network` without the channels `removed`, by group name; numbers are of the unpruned network.

    Args:
        groups: of this network, where they are known already; traced otherwise.

    Raises PruningError for channels that there are not, that break a block, or that are all of a group.
    """
    if not any(removed.values()):
        return copy.deepcopy(network)
    known = {g.name: g for g in (_traced_groups(network, shape) if groups is None else groups)}
    for name, channels in removed.items():
        if name not in known:
            raise unknown_name("group of channels", name, known)
        _check(known[name], channels)
    pruned = copy.deepcopy(network)
    for (layer, side), gone in _gone(list(known.values()), removed).items():
        _remove(pruned.get_submodule(layer), side, gone)
    return pruned


def mask_channels(network: nn.Module, removed: Removed, groups: Sequence[ChannelGroup]) -> nn.Module:
    """Return a copy of `network` of the same shapes in which the channels `removed` are zero and are not read."""
    masked = copy.deepcopy(network)
    for (name, side), gone in _gone(groups, removed).items():
        layer: Any = masked.get_submodule(name)
        lost = sorted(gone)
        with torch.no_grad():
            if side == "in":
                _zero_inputs(layer, lost)
            elif not isinstance(layer, nn.PReLU):
                for value in (layer.weight, layer.bias):
                    if value is not None:
                        value[lost] = 0
    return masked


def remaining_groups(groups: Sequence[ChannelGroup], removed: Removed) -> tuple[ChannelGroup, ...]:
    """Return `groups` as they are in the network without the channels `removed`, without tracing it again."""
    gone = _gone(groups, removed)
    return tuple(_renumbered(group, set(removed.get(group.name, ())), gone) for group in groups)


def kept_channels(group: ChannelGroup, removed: Removed) -> list[int]:
    """Return the channels of the unpruned `group` that are not in `removed`: those of the pruned network, in order."""
    gone = set(removed.get(group.name, ()))
    return [channel for channel in range(group.size) if channel not in gone]


def _traced_groups(network: nn.Module, shape: Shape) -> Iterator[ChannelGroup]:
    network = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    names = {module: name for name, module in network.named_modules()}
    graph, covered = _dependencies(network, shape), set()
    for layer in list(names):
        if not isinstance(layer, (*_CONVS, nn.Linear)) or _is_depthwise(layer) or layer not in graph.module2node:
            continue
        if layer in covered:
            continue
        function = graph.get_pruner_of_module(layer).prune_out_channels
        items = graph.get_pruning_group(layer, function, list(range(graph.get_out_channels(layer))))
        makers = [i.dep.target for i in items if graph.is_out_channel_pruning_fn(i.dep.handler)]
        covered.update(node.module for node in makers)
        if all(node.outputs for node in makers):  # else the network's scores
            group = _group_of(items, graph, names)
            if group is not None:
                yield group


def _dependencies(network: nn.Module, shape: Shape) -> Any:
    try:
        import torch_pruning
    except ImportError:
        raise PruningError("pruning of channels needs torch-pruning: pip install torch-pruning") from None

    reference = next(network.parameters())
    images = torch.rand(shape, dtype=reference.dtype, device=reference.device)
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            return torch_pruning.DependencyGraph().build_dependency(network, images, verbose=False)
        except Exception as error:  # whatever a graph of autograd functions may run into
            raise PruningError(f"the channels of {type(network).__name__} cannot be traced: {error}") from error


def _group_of(items: Any, graph: Any, names: Mapping[nn.Module, str]) -> ChannelGroup | None:
    """Return a traced group; None where it holds what is no layer that can be sliced, or is one block."""
    size, slices = len(items[0].idxs), []
    for item in items:
        layer = item.dep.target.module
        if isinstance(layer, nn.Parameter):
            return None
        if layer not in names or (isinstance(layer, nn.PReLU) and layer.num_parameters == 1):
            continue  # an operation between layers
        if not isinstance(layer, (*_CONVS, *_PLAIN)):
            if any(True for _ in layer.parameters(recurse=False)):
                return None
            continue
        if _is_depthwise(layer) or isinstance(layer, (_BatchNorm, nn.PReLU)):
            side = "both"
        else:
            side = "out" if graph.is_out_channel_pruning_fn(item.dep.handler) else "in"
        index: list[list[int]] = [[] for _ in range(size)]
        for channel, own in zip(item.root_idxs, item.idxs, strict=True):
            index[channel].append(own)
        slices.append(Slice(names[layer], side, tuple(tuple(sorted(own)) for own in index)))
    if not any(s.side == "in" for s in slices):
        return None
    layers = {name: layer for layer, name in names.items()}
    blocks = _blocks(size, slices, layers)
    if len(blocks) < 2 or len({len(block) for block in blocks}) > 1:
        return None
    return ChannelGroup(names[items[0].dep.target.module], size, len(blocks[0]), blocks, tuple(slices))


def _blocks(size: int, slices: Sequence[Slice], layers: Mapping[str, nn.Module]) -> tuple[tuple[int, ...], ...]:
    """Join the channels that stand at the same place in the groups of a grouped convolution: all lose it or none."""
    leader = list(range(size))

    def find(channel: int) -> int:
        while leader[channel] != channel:
            channel = leader[channel]
        return channel

    for part in slices:
        layer = layers[part.layer]
        if not isinstance(layer, _ConvNd) or layer.groups == 1 or part.side == "both":
            continue
        width = (layer.out_channels if part.side == "out" else layer.in_channels) // layer.groups
        first: dict[int, int] = {}
        for channel, own in enumerate(part.index):
            for number in own:
                other = first.setdefault(number % width, channel)
                leader[find(channel)] = find(other)
    blocks = defaultdict(list)
    for channel in range(size):
        blocks[find(channel)].append(channel)
    return tuple(sorted(tuple(block) for block in blocks.values()))


def _gone(groups: Sequence[ChannelGroup], removed: Removed) -> dict[tuple[str, Side], set[int]]:
    """Return the channels that each side of each layer loses."""
    gone: dict[tuple[str, Side], set[int]] = defaultdict(set)
    for group in groups:
        for part in group.slices:
            lost = itertools.chain.from_iterable(part.index[c] for c in removed.get(group.name, ()))
            gone[part.layer, part.side].update(lost)
    return {where: lost for where, lost in gone.items() if lost}


def _check(group: ChannelGroup, channels: Sequence[int]) -> None:
    gone = set(channels)
    if strange := sorted(gone - set(range(group.size))):
        raise PruningError(f"group {group.name!r} has channels 0..{group.size - 1}, not {strange[0]}")
    if len(gone) == group.size:
        raise PruningError(f"all {group.size} channels of group {group.name!r} removed; one block has to stay")
    for block in group.blocks:
        if 0 < len(gone.intersection(block)) < len(block):
            raise PruningError(f"channels {list(block)} of group {group.name!r} can only be removed together")


def _remove(layer: Any, side: Side, gone: set[int]) -> None:
    weight = layer.weight
    axis = 1 if side == "in" else 0
    groups = layer.groups if isinstance(layer, _ConvNd) else 1
    if side == "in" and groups > 1:  # all groups lose the same places, and the weights are counted inside a group
        kept = [c for c in range(weight.shape[1]) if c not in gone]
    else:
        kept = [c for c in range(len(weight) if axis == 0 else weight.shape[1]) if c not in gone]
    index = torch.tensor(kept, device=weight.device)
    layer.weight = _selected(weight, axis, index)
    if side != "in" and getattr(layer, "bias", None) is not None:
        layer.bias = _selected(layer.bias, 0, index)
    if isinstance(layer, _ConvNd):
        if side != "in":
            layer.out_channels = len(kept)
        if side == "both":
            layer.in_channels = layer.groups = len(kept)
        if side == "in":
            layer.in_channels = len(kept) * groups
    elif isinstance(layer, nn.Linear):
        setattr(layer, "in_features" if side == "in" else "out_features", len(kept))
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(kept)
    elif isinstance(layer, _BatchNorm):
        layer.num_features = len(kept)
        if layer.running_mean is not None and layer.running_var is not None:
            layer.running_mean, layer.running_var = layer.running_mean[index], layer.running_var[index]


def _selected(value: Tensor, axis: int, index: Tensor) -> nn.Parameter:
    return nn.Parameter(value.detach().index_select(axis, index), requires_grad=value.requires_grad)


def _zero_inputs(layer: Any, lost: list[int]) -> None:
    if isinstance(layer, _ConvNd) and layer.groups > 1:
        layer.weight[:, [c for c in lost if c < layer.weight.shape[1]]] = 0
    else:
        layer.weight[:, lost] = 0


def _renumbered(group: ChannelGroup, lost: set[int], gone: Mapping[tuple[str, Side], set[int]]) -> ChannelGroup:
    kept = [c for c in range(group.size) if c not in lost]
    number = {channel: i for i, channel in enumerate(kept)}
    slices = []
    for part in group.slices:
        missing = gone.get((part.layer, part.side), set())
        last = max((c for own in part.index for c in own), default=-1)
        below = [0, *itertools.accumulate(int(c in missing) for c in range(last + 1))]
        slices.append(replace(part, index=tuple(tuple(c - below[c] for c in part.index[channel]) for channel in kept)))
    blocks = tuple(tuple(number[c] for c in block) for block in group.blocks if block[0] in number)
    return replace(group, size=len(kept), blocks=blocks, slices=tuple(slices))


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, _ConvNd) and 1 < layer.groups == layer.out_channels == layer.in_channels


def _randomized(network: nn.Module, shape: Shape) -> nn.Module:
    """Return a copy in double precision with weights in general position: zeros and ones would hide mistakes."""
    network = copy.deepcopy(network).to("cpu", torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.2
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale)
        for layer in network.modules():
            if isinstance(layer, _BatchNorm):
                if layer.weight is not None:
                    layer.weight.add_(1)
                if layer.running_mean is not None and layer.running_var is not None:
                    layer.running_mean.normal_(0, 0.1, generator=generator)
                    layer.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def _sound(network: nn.Module, groups: list[ChannelGroup], shape: Shape) -> list[ChannelGroup]:
    """Return the groups whose removal is right, halving the list where it is not."""
    if not groups or all(_is_exact(network, groups, shape, seed) for seed in range(2)):
        return groups
    if len(groups) == 1:
        return []
    middle = len(groups) // 2
    left, right = (_sound(network, part, shape) for part in (groups[:middle], groups[middle:]))
    return left + right


def _is_exact(network: nn.Module, groups: Sequence[ChannelGroup], shape: Shape, seed: int) -> bool:
    """Return whether removing a random share of each group gives what masking it gives."""
    draw = random.Random(seed)
    removed = {}
    for group in groups:
        gone = draw.sample(group.blocks, draw.randint(1, max(1, len(group.blocks) // 2)))
        removed[group.name] = [c for block in gone for c in block]
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand((2, *shape[1:]), generator=generator, dtype=torch.float64)
    with torch.no_grad():
        try:
            expected = mask_channels(network, removed, groups)(images)
            found = prune_channels(network, removed, shape, groups=groups)(images)
        except (RuntimeError, ValueError, IndexError, AssertionError):  # shapes that do not fit
            return False
    if not isinstance(expected, Tensor) or found.shape != expected.shape:
        return False
    return bool((found - expected).abs().max() <= _TOLERANCE * (1 + expected.abs().max()))
