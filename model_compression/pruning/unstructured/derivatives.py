"""Derivatives of a loss by the weights that can be pruned."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.masks import prunable_layers

# images as the network sees them (N, C, H, W), normalised and resized, and what the loss compares its output with
Batches = Iterable[tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]  # (output of the network, targets) -> mean over the batch

MAX_EXACT_WEIGHTS = 20_000


def gradient(
    network: nn.Module, batches: Batches, *, loss: Loss = F.cross_entropy, exclude: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return the gradient of the mean loss by layer; hidden weights have theirs as if they were seen.

    Raises PruningError where there are no images.
    """
    return _mean(
        network, batches, exclude, lambda weights, images, targets: _first(network, weights, images, targets, loss)
    )


def fisher_diagonal(
    network: nn.Module, batches: Batches, *, loss: Loss = F.cross_entropy, exclude: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return the mean over images of the squared gradient by layer: the diagonal of the empirical Fisher information.

    For a log likelihood near its best it is what the Hessian's diagonal is expected to be.
    """

    def square(weights: list[Tensor], images: Tensor, targets: Tensor) -> list[Tensor]:
        return [g.pow(2) for g in _first(network, weights, images, targets, loss)]

    singles = (pair for images, targets in batches for pair in zip(images.split(1), targets.split(1), strict=True))
    return _mean(network, singles, exclude, square)


def hessian_diagonal(
    network: nn.Module, batches: Batches, *, loss: Loss = F.cross_entropy, exclude: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return the second derivative of the mean loss by each weight alone, exactly, by layer.

    It takes a pass for each weight: raises PruningError for more than 20,000.
    """
    count = sum(layer.weight.numel() for layer in prunable_layers(network, exclude=exclude).values())
    if count > MAX_EXACT_WEIGHTS:
        raise PruningError(
            f"{count:,} weights are too many for an exact Hessian, at most {MAX_EXACT_WEIGHTS:,}; use the Fisher one"
        )

    def second(weights: list[Tensor], images: Tensor, targets: Tensor) -> list[Tensor]:
        first = _first(network, weights, images, targets, loss, create_graph=True)
        return [_diagonal(g, weight) for g, weight in zip(first, weights, strict=True)]

    return _mean(network, batches, exclude, second)


def _diagonal(gradient: Tensor, weight: Tensor) -> Tensor:
    if not gradient.requires_grad:  # the loss is linear in this weight
        return torch.zeros_like(weight)
    entries = gradient.flatten()
    rows = [
        torch.autograd.grad(entries[i], weight, retain_graph=True, allow_unused=True, materialize_grads=True)[
            0
        ].flatten()[i]
        for i in range(len(entries))
    ]
    return torch.stack(rows).view_as(weight)


def _first(
    network: nn.Module, weights: list[Tensor], images: Tensor, targets: Tensor, loss: Loss, create_graph: bool = False
) -> tuple[Tensor, ...]:
    value = loss(network(images), targets)
    return torch.autograd.grad(value, weights, create_graph=create_graph, allow_unused=True, materialize_grads=True)


def _mean(
    network: nn.Module,
    batches: Batches,
    exclude: Collection[str],
    derive: Callable[[list[Tensor], Tensor, Tensor], Iterable[Tensor]],
) -> dict[str, Tensor]:
    """Return the mean over images of what `derive` gives for (effective weights, images, targets)."""
    layers = prunable_layers(network, exclude=exclude)
    total, count = {name: torch.zeros_like(layer.weight) for name, layer in layers.items()}, 0
    with _frozen(network):
        for images, targets in batches:
            with parametrize.cached():  # the weights asked for are then the very ones that the network uses
                found = derive([layer.weight for layer in layers.values()], images, targets)
                for sum_, value in zip(total.values(), found, strict=True):
                    sum_ += len(images) * value.detach()
            count += len(images)
    if not count:
        raise PruningError("no images to take derivatives from; give at least one batch")
    return {name: value / count for name, value in total.items()}


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Hold the network in evaluation, so that no statistics of batch norm change; then as it was."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
