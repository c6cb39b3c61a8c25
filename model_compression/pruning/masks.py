"""Masks that are learned: hard-concrete gates with the price of milliseconds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.channels import ChannelGroup, Pruned, Shape, channel_groups, prune_channels
from model_compression.pruning.masking import fold_factors, scale_readers
from zoo.data.splits import Splits
from zoo.training.loop import TrainConfig, train

_TEMPERATURE, _LOW, _HIGH = 2 / 3, -0.1, 1.1  # beta, gamma and zeta of arXiv:1712.01312, section 4.1


class HardConcrete(nn.Module):
    """Gates in 0..1 that are exactly 0 or 1 with some probability (arXiv:1712.01312, section 2.2)."""

    def __init__(self, size: int, *, open_probability: float = 0.9) -> None:
        super().__init__()
        shift = _TEMPERATURE * math.log(-_LOW / _HIGH)
        start = math.log(open_probability / (1 - open_probability)) + shift
        self.log_alpha = nn.Parameter(torch.full((size,), start))

    def sample(self, uniform: Tensor) -> Tensor:
        """Return gates (size,) for draws (size,) from 0..1 (equations 10 and 11)."""
        logits = torch.log(uniform) - torch.log1p(-uniform) + self.log_alpha
        return _stretched(torch.sigmoid(logits / _TEMPERATURE))

    def open_probability(self) -> Tensor:
        """Return for each gate how likely it is not zero (equation 12)."""
        return torch.sigmoid(self.log_alpha - _TEMPERATURE * math.log(-_LOW / _HIGH))

    def forward(self) -> Tensor:
        if not self.training:  # equation 13
            return _stretched(torch.sigmoid(self.log_alpha))
        return self.sample(torch.rand_like(self.log_alpha).clamp(1e-6, 1 - 1e-6))


class LatencyPrice:
    """Milliseconds of a network whose groups keep so many channels, between measured widths in a straight line.

    Args:
        steps: for each group the cost of the whole network by the channels it keeps, as `latency_led` reports.
        whole_ms: of the unpruned network.
    """

    def __init__(self, steps: Mapping[str, Mapping[int, float]], whole_ms: float) -> None:
        self.whole_ms = whole_ms
        self._tables = {name: sorted(costs.items()) for name, costs in steps.items() if len(costs) > 1}

    def __call__(self, counts: Mapping[str, Tensor]) -> Tensor:
        """Return what `counts` of channels cost; gradients are the slopes of the staircase's chords."""
        total = torch.tensor(self.whole_ms)
        for name, table in self._tables.items():
            if name in counts:
                total = total + _interpolated(counts[name], table) - table[-1][1]
        return total


class _GateLoss(nn.Module):
    """Cross entropy and the price of what is open; a module, so that the gates are trained too."""

    def __init__(
        self, groups: Sequence[ChannelGroup], price: LatencyPrice, budget_ms: float, weight: float, settle_at: int
    ) -> None:
        super().__init__()
        self.groups = {group.name: group for group in groups}
        self.gates = nn.ModuleList([HardConcrete(len(group.blocks)) for group in groups])
        self.price, self.budget_ms, self.weight, self.settle_at = price, budget_ms, weight, settle_at
        self.removed: dict[str, list[int]] = {}
        self.settled = False
        self._step, self._drawn = 0, dict[str, Tensor]()

    def factors(self, name: str) -> Tensor:
        """Return the gate of each channel; all readers of a group see one draw until the loss is asked for."""
        if name not in self._drawn:
            gate = self.gates[list(self.groups).index(name)]
            self._drawn[name] = gate()[_block_of(self.groups[name])]
        return self._drawn[name]

    def expected_counts(self) -> dict[str, Tensor]:
        """Return how many channels of each group are open on average."""
        gates = zip(self.groups.values(), self.gates, strict=True)
        return {group.name: gate.open_probability().sum() * group.multiple for group, gate in gates}

    def forward(self, scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        self._step += 1
        if self.settled:
            return F.cross_entropy(scores, labels)
        self._drawn.clear()
        miss = (self.price(self.expected_counts()) / self.budget_ms - 1).abs()
        if self._step >= self.settle_at:
            self.settle()
        return F.cross_entropy(scores, labels) + self.weight * miss

    @torch.no_grad()
    def settle(self) -> None:
        """Shut all gates but as many likeliest ones as are expected to be open, and draw no more."""
        self.settled = True
        for group, gate in zip(self.groups.values(), self.gates, strict=True):
            kept = max(1, round(float(gate.open_probability().sum()))) * group.multiple
            expand = _block_of(group)
            gone = group.lowest(torch.index_select(gate.log_alpha, 0, expand), group.size - kept)
            # a gate that stays is open at least a little, or its channel would be kept for nothing
            value = _stretched(torch.sigmoid(gate.log_alpha))[expand].clamp(min=0.1)
            value[gone] = 0
            self._drawn[group.name] = value
            if gone:
                self.removed[group.name] = gone


@method("mask-learning", "pruning", paper="arXiv:1712.01312")
def mask_learning(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    *,
    price: LatencyPrice,
    budget_ms: float,
    shape: Shape,
    groups: Sequence[ChannelGroup] | None = None,
    weight: float = 10.0,
    settled: float = 0.4,
) -> Pruned:
    """Train `network` in place with a gate for each channel, pay for milliseconds over the budget, remove what is shut.

    Each group keeps as many channels as its gates are expected to leave open, those of the likeliest ones. Their values
    are multiplied into the weights: the pruned network gives what the gated one gives. Measure it; the price is a
    forecast.

    Args:
        price: of expected counts of channels; only groups that it knows and the others' gates cost nothing.
        weight: of the share by which the expected price misses the budget, on either side.
        settled: last part of the training, in which the gates stay as they are and the weights get used to it.
    """
    if not budget_ms > 0:
        raise PruningError(f"budget_ms must be positive, got {budget_ms}")
    groups = tuple(channel_groups(network, shape) if groups is None else groups)
    steps = config.epochs * -(-len(data.train) // config.batch_size)
    loss = _GateLoss(groups, price, budget_ms, weight, settle_at=max(1, round((1 - settled) * steps)))
    handles = scale_readers(network, groups, loss.factors)
    try:
        train(network, data, config, resolution=shape[-1], loss=loss)
    finally:
        for handle in handles:
            handle.remove()
    fold_factors(network, groups, loss.factors)
    return Pruned(prune_channels(network, loss.removed, shape, groups=groups), loss.removed)


def _stretched(value: Tensor) -> Tensor:
    return (value * (_HIGH - _LOW) + _LOW).clamp(0, 1)


def _interpolated(count: Tensor, table: Sequence[tuple[int, float]]) -> Tensor:
    counts = np.array([c for c, _ in table], dtype=np.float64)
    upper = int(np.clip(np.searchsorted(counts, float(count.detach())), 1, len(counts) - 1))
    (left, low), (right, high) = table[upper - 1], table[upper]
    return low + (count - left) * ((high - low) / (right - left))


def _block_of(group: ChannelGroup) -> Tensor:
    """Return for each channel the number of its block."""
    numbers = torch.zeros(group.size, dtype=torch.int64)
    for b, block in enumerate(group.blocks):
        numbers[list(block)] = b
    return numbers
