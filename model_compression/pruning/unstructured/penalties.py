"""Losses with a price on the weights."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.methods import method
from model_compression.pruning.unstructured.masks import prunable_layers
from zoo.training.loop import LossFunction


class PenalizedLoss(nn.Module):
    """A loss for `zoo.training.train` and `strength` times the sum of `price` over the weights of `network`.

    Convolutions and linear layers count, biases do not. `loss` is cross entropy by default.
    """

    def __init__(
        self,
        network: nn.Module,
        price: Callable[[Tensor], Tensor],
        strength: float,
        *,
        loss: LossFunction | None = None,
    ) -> None:
        super().__init__()
        self.loss = loss or _cross_entropy
        layers = list(prunable_layers(network).values())
        # in a closure: as an attribute the network would be a part of the loss, and trained twice
        self._penalty = lambda: strength * torch.stack([price(layer.weight).sum() for layer in layers]).sum()

    def forward(self, scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        return self.loss(scores, labels, images) + self._penalty()


@method("l1-regularization", "pruning", paper="arXiv:1506.02626")
def l1_loss(network: nn.Module, strength: float, *, loss: LossFunction | None = None) -> PenalizedLoss:
    """Return `loss` with `strength` times the sum of absolute weights, which bears pruning better than L2 does."""
    return PenalizedLoss(network, torch.abs, strength, loss=loss)


def _cross_entropy(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
    return F.cross_entropy(scores, labels)
