"""Sparse training: a network is sparse from the start, and its connections move to where they are wanted."""

import math
from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.unstructured.masks import Mask, attach, check_sparsity, prunable_layers
from zoo.errors import unknown_name

Growth = Literal["gradient", "random"]


class RewiredMask(Mask):
    """A mask with always as many weights, some of which training exchanges.

    Args:
        growth: hidden weights of largest gradient are seen next, or random ones.
        share: of the seen weights, exchanged at first; it falls along a cosine to 0.
        interval: steps between two exchanges.
        until: share of the training after which the mask stays.
    """

    def __init__(self, mask: Tensor, *, growth: Growth, share: float, interval: int, until: float) -> None:
        super().__init__(mask)
        self.growth, self.share, self.interval, self.until = growth, share, interval, until
        self.gradient: Tensor | None = None  # of the last step, of hidden weights too
        self._steps, self._due = 0, 0.0

    def forward(self, weight: Tensor) -> Tensor:
        if self._due and self.training:
            self._rewire(weight, round(self._due * int(self.mask.sum())))
            self._due = 0.0
        seen = super().forward(weight)
        if seen.requires_grad and self.training and self.growth == "gradient":
            seen.register_hook(self._note)
        return seen

    def training_progress(self, progress: float) -> None:
        """Hear how far the training is, 0..1, and decide whether the next step exchanges weights."""
        self._steps += 1
        if progress < self.until and self._steps % self.interval == 0:
            self._due = self.share / 2 * (1 + math.cos(math.pi * progress / self.until))

    def _note(self, gradient: Tensor) -> None:
        self.gradient = gradient.detach()

    @torch.no_grad()
    def _rewire(self, weight: Tensor, count: int) -> None:
        """Hide the `count` smallest weights and let as many hidden ones start at zero."""
        seen = self.mask.flatten()
        score = torch.rand_like(weight) if self.growth == "random" else self.gradient
        if score is None:
            return
        count = min(count, int((~seen).sum()))
        lowest = torch.where(seen, weight.abs().flatten(), torch.inf).topk(count, largest=False).indices
        highest = torch.where(seen, -torch.inf, score.abs().flatten()).topk(count).indices
        after = seen.clone()
        after[lowest], after[highest] = False, True
        weight.masked_fill_(~(seen & after).view_as(weight), 0.0)
        self.mask.copy_(after.view_as(weight))


@method("rigl", "pruning", paper="arXiv:1911.11134")
def start_sparse(
    network: nn.Module,
    sparsity: float,
    *,
    growth: Growth = "gradient",
    share: float = 0.3,
    interval: int = 100,
    until: float = 0.75,
    exclude: Collection[str] = (),
    seed: int = 0,
) -> None:
    """Make each layer of an untrained network sparse at random; `train` then moves the connections, as many always.

    Every `interval` steps the smallest weights of a layer go and as many hidden ones start at zero: those with the
    largest gradient (RigL), which is that of the step before.

    Args:
        sparsity: of each layer, to which the share of weights that are exchanged belongs as well.
        growth: "random" is `sparse_evolutionary_training`.
        share: of a layer's weights exchanged at first, 0..1; it falls to 0 at `until`, a share of the training.
        interval: steps between exchanges: new weights need some to grow, or they are the next to go.
        seed: of the first masks.

    Raises PruningError for a sparsity outside [0, 1) and settings out of range.
    """
    check_sparsity(sparsity)
    if not 0 <= share <= 1 or not 0 < until <= 1 or interval < 1:
        raise PruningError(f"share={share} must be in 0..1, until={until} in (0, 1] and interval={interval} at least 1")
    if growth not in ("gradient", "random"):
        raise unknown_name("growth", growth, ("gradient", "random"))
    generator = torch.Generator().manual_seed(seed)
    for layer in prunable_layers(network, exclude=exclude).values():
        count = layer.weight.numel()
        mask = torch.ones(count, dtype=torch.bool)
        mask[torch.randperm(count, generator=generator)[: round(sparsity * count)]] = False
        mask = mask.view_as(layer.weight)
        attach(layer, RewiredMask(mask, growth=growth, share=share, interval=interval, until=until))


@method("sparse-evolutionary-training", "pruning", paper="arXiv:1707.04780")
def sparse_evolutionary_training(network: nn.Module, sparsity: float, **settings) -> None:
    """Start sparse training whose new connections are random (SET); `settings` as of `start_sparse`."""
    start_sparse(network, sparsity, growth="random", **settings)
