"""Optimal brain surgeon: with each weight that goes, those that stay make up for it."""

import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.unstructured.masks import check_sparsity, prunable_layers, set_masks

_ROWS = 64  # whose inverse Hessians are held at once


@method("optimal-brain-surgeon", "pruning", paper="Hassibi and Stork, NIPS 1992")
@torch.no_grad()
def prune_linear(network: nn.Module, name: str, images: Tensor, sparsity: float, *, damping: float = 1e-4) -> None:
    """Mask the same share of each row of one linear layer and mend the rest, in place, without labels.

    Args:
        name: of the linear layer.
        images: (N, C, H, W) as the network sees them; what they are where they reach the layer decides.
        damping: as in `compensate`.

    Raises PruningError for a layer that is not linear or that no image reaches.
    """
    layer = prunable_layers(network).get(name)
    if not isinstance(layer, nn.Linear):
        raise PruningError(f"layer {name!r} is not a linear layer of {type(network).__name__}")
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].flatten(0, -2)))
    training = network.training
    network.eval()
    try:
        network(images)
    finally:
        handle.remove()
        network.train(training)
    if not seen or not len(seen[0]):
        raise PruningError(f"no image reaches layer {name!r}")
    weight, kept = compensate(layer.weight, torch.cat(seen), sparsity, damping=damping)
    set_masks(network, {name: kept})
    layer.weight = weight


def compensate(weight: Tensor, inputs: Tensor, sparsity: float, *, damping: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Return weights (O, I) with round(sparsity I) zeros a row and the mask of the others, for `inputs` (N, I).

    The error is that of the layer's outputs, so the Hessian H is the inputs' second moment, the same for all rows. Of
    each row again and again the weight of smallest w^2 / (2 [H^-1]_qq) goes and the others move by
    -w / [H^-1]_qq H^-1_q (equation 5 of the paper); the row and column of H^-1 are then eliminated.

    Args:
        damping: of the mean of H's diagonal, added to it, so that inputs which are always zero do no harm.

    Raises PruningError for a sparsity outside [0, 1) and for inputs that are not finite.
    """
    check_sparsity(sparsity)
    if not torch.isfinite(inputs).all():
        raise PruningError("inputs of the layer are NaN or infinite")
    inputs = inputs.double()
    hessian = inputs.T @ inputs / len(inputs)
    hessian.diagonal().add_(damping * hessian.diagonal().mean() + torch.finfo(torch.float32).tiny)
    inverse = torch.linalg.inv(hessian)
    count = round(sparsity * weight.shape[1])
    parts = [_prune_rows(rows, inverse, count) for rows in weight.double().split(_ROWS)]
    pruned, kept = (torch.cat(part) for part in zip(*parts, strict=True))
    return pruned.to(weight.dtype), kept


def _prune_rows(rows: Tensor, inverse: Tensor, count: int) -> tuple[Tensor, Tensor]:
    rows, inverses = rows.clone(), inverse.expand(len(rows), -1, -1).clone()
    kept = torch.ones_like(rows, dtype=torch.bool)
    each = torch.arange(len(rows))
    for _ in range(count):
        diagonal = inverses.diagonal(dim1=1, dim2=2)
        saliency = torch.where(kept, rows.pow(2) / (2 * diagonal), torch.inf)
        chosen = saliency.argmin(1)
        column, pivot = inverses[each, :, chosen], diagonal[each, chosen][:, None]
        rows -= rows[each, chosen][:, None] / pivot * column
        inverses -= (column / pivot)[:, :, None] * column[:, None, :]
        kept[each, chosen] = False
        rows.masked_fill_(~kept, 0.0)
    return rows, kept
