"""Only train once: groups of weights that training itself projects to zero, and then are not there."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from model_compression.methods import method
from model_compression.pruning.allocation import global_ranking, least_important
from model_compression.pruning.channels import ChannelGroup, Pruned, Shape, channel_groups, prune_channels
from zoo.data.splits import Splits
from zoo.errors import TrainingDivergedError
from zoo.training.loop import TrainConfig, batches
from zoo.training.preprocessing import augment, normalize, resize


class _Rows:
    """All weights that make the channels of one group: zero, they make zero (a zero-invariant group a channel)."""

    def __init__(self, network: nn.Module, group: ChannelGroup) -> None:
        self.group = group
        self.parameters: list[tuple[Tensor, Tensor, Tensor]] = []  # weight, its rows, their blocks
        block_of = {channel: b for b, block in enumerate(group.blocks) for channel in block}
        self.count = len(group.blocks)
        for part in group.slices:
            layer = network.get_submodule(part.layer)
            if part.side == "in" or not isinstance(layer, (_ConvNd, nn.Linear, _BatchNorm)):
                continue
            places = [(own, block_of[c]) for c, numbers in enumerate(part.index) for own in numbers]
            rows, blocks = torch.tensor(places, device=layer.weight.device).unbind(1)
            self.parameters += [(p, rows, blocks) for p in (layer.weight, layer.bias) if p is not None]

    def dot(self, left: Callable[[Tensor], Tensor], right: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the inner product of two readings of the weights, by block."""
        total = torch.zeros(self.count, device=self.parameters[0][1].device)
        for p, rows, blocks in self.parameters:
            products = left(p)[rows] * right(p)[rows]
            total.index_add_(0, blocks, products.reshape(len(rows), -1).sum(1))
        return total

    def channels(self, chosen: Tensor) -> list[int]:
        """Return the channels of the blocks chosen."""
        return sorted(c for b in chosen.nonzero().flatten().tolist() for c in self.group.blocks[b])


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


class HalfSpaceSGD(torch.optim.Optimizer):
    """SGD with momentum that, told which, drives channels to exactly zero (HSPG; DHSPG of arXiv:2303.06862).

    `penalize` names the channels to go. From then on each step shrinks their lengths by `shrink` of the average
    channel, growing, and one whose update leaves the half-space of its old value, <new, old> < epsilon |old|^2, is set
    to zero for good (arXiv:2107.07467, algorithm 2). Other weights are trained as ever.
    """

    def __init__(
        self,
        network: nn.Module,
        groups: Sequence[ChannelGroup],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        epsilon: float = 0.0,
        shrink: float = 0.01,
    ) -> None:
        self._inner = torch.optim.SGD(network.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
        super().__init__(self._inner.param_groups, {})
        self.param_groups = self._inner.param_groups
        self._rows = {group.name: _Rows(network, group) for group in groups}
        self._going: dict[str, Tensor] = {}
        self._zero: dict[str, Tensor] = {name: torch.zeros(r.count, dtype=torch.bool) for name, r in self._rows.items()}
        self._epsilon, self._shrink, self._steps = epsilon, shrink, 0

    def saliencies(self) -> dict[str, Tensor]:
        """Return |sum of w dL/dw| + |w| over each channel's weights, relative to the group's mean: low ones can go."""
        scores = {}
        for name, rows in self._rows.items():
            first_order = rows.dot(lambda p: p.detach(), _gradient).abs()
            length = self._lengths(rows)
            value = length / length.mean().clamp(min=1e-12) + first_order / first_order.mean().clamp(min=1e-12)
            value = value.cpu()
            scores[name] = torch.zeros(rows.group.size)
            for b, block in enumerate(rows.group.blocks):
                scores[name][list(block)] = value[b]
        return scores

    def penalize(self, channels: dict[str, list[int]]) -> None:
        """Name the channels, whole blocks, that are to become zero."""
        for name, gone in channels.items():
            blocks, lost = self._rows[name].group.blocks, set(gone)
            self._going[name] = torch.tensor([block[0] in lost for block in blocks])

    def zeroed(self) -> dict[str, list[int]]:
        """Return the channels that are zero now."""
        return {name: self._rows[name].channels(zero) for name, zero in self._zero.items() if zero.any()}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Take a step, shrink what is to go, and project."""
        old = {id(p): p.clone() for r in self._rows.values() for p, _, _ in r.parameters} if self._going else {}
        self._inner.step()
        if not self._going:
            return
        self._steps += 1
        for name, going in self._going.items():
            rows = self._rows[name]
            length = self._lengths(rows).clamp(min=1e-20)
            going = going.to(length.device)
            average = float(length[~going].mean()) if (~going).any() else 1.0
            shrunk = (1 - self._shrink * self._steps * average / length).clamp(min=-1)
            self._scale(rows, torch.where(going, shrunk, torch.ones_like(shrunk)))
            before = rows.dot(lambda p: old[id(p)], lambda p: old[id(p)])
            left = rows.dot(lambda p: p, lambda p: old[id(p)]) <= self._epsilon * before
            self._zero[name] = self._zero[name].to(going.device) | (going & left)
            self._scale(rows, (~self._zero[name]).float())

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self._inner.zero_grad(set_to_none)

    def _lengths(self, rows: _Rows) -> Tensor:
        return rows.dot(lambda p: p.detach(), lambda p: p.detach()).sqrt()

    @staticmethod
    def _scale(rows: _Rows, factor: Tensor) -> None:
        for p, own, blocks in rows.parameters:
            p[own] *= factor[blocks].view(-1, *(1 for _ in p.shape[1:]))


@method("only-train-once", "pruning", paper="arXiv:2107.07467")
def only_train_once(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    *,
    share: float,
    shape: Shape,
    groups: Sequence[ChannelGroup] | None = None,
    warm_up: float = 0.4,
    epsilon: float = 0.0,
    shrink: float = 0.005,
) -> Pruned:
    """Train `network` once, in place, so that a share of its channels is exactly zero; what is left needs no tuning.

    The pruned network gives what the trained one gives, where activations of zero are zero.

    Args:
        share: of all channels.
        warm_up: part of the training before channels are chosen, those of least saliency in each group.
        epsilon, shrink: of HalfSpaceSGD.
    """
    groups = tuple(channel_groups(network, shape) if groups is None else groups)
    optimizer = HalfSpaceSGD(
        network, groups, lr=config.lr, weight_decay=config.weight_decay, epsilon=epsilon, shrink=shrink
    )
    generator, (mean, std) = torch.Generator().manual_seed(config.seed), data.statistics()
    steps = config.epochs * -(-len(data.train) // config.batch_size)
    chosen, step = False, 0
    device = next(network.parameters()).device
    network.train()
    for _ in range(config.epochs):
        for images, labels in batches(data.train, config.batch_size, generator):
            images = augment(normalize(images, mean, std), flip=data.flip, generator=generator).to(device)
            scores = network(resize(images, shape[-1]))
            loss = F.cross_entropy(scores, labels.to(device), label_smoothing=config.label_smoothing)
            if not torch.isfinite(loss):
                raise TrainingDivergedError(f"the loss became {loss.item()} in step {step + 1}")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            if not chosen and step >= warm_up * steps:
                saliencies = optimizer.saliencies()
                kept = global_ranking(groups, saliencies, share, relative=False)
                optimizer.penalize(least_important(groups, saliencies, kept))
                chosen = True
            for group in optimizer.param_groups:  # cosine, to a hundredth
                group["lr"] = config.lr * (0.505 + 0.495 * torch.cos(torch.tensor(torch.pi * step / steps)).item())
            optimizer.step()
            step += 1
    network.eval()
    removed = optimizer.zeroed()
    return Pruned(prune_channels(network, removed, shape, groups=groups), removed)
