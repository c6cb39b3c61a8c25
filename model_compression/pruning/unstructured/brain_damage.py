"""Optimal brain damage: saliency by the curvature of the loss."""

from collections.abc import Collection
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.methods import method
from model_compression.pruning.unstructured.derivatives import Batches, Loss, fisher_diagonal, hessian_diagonal
from model_compression.pruning.unstructured.masks import Scope, keep_highest, prunable_weights, set_masks
from zoo.errors import unknown_name

Curvature = Literal["fisher", "exact"]
_CURVATURES = {"fisher": fisher_diagonal, "exact": hessian_diagonal}


@method("optimal-brain-damage", "pruning", paper="LeCun, Denker and Solla, NIPS 1989")
def prune_by_curvature(
    network: nn.Module,
    batches: Batches,
    sparsity: float,
    *,
    curvature: Curvature = "fisher",
    loss: Loss = F.cross_entropy,
    scope: Scope = "global",
    exclude: Collection[str] = (),
) -> None:
    """Mask the weights of smallest saliency h w^2 / 2, a share `sparsity` of all or of each layer, in place.

    The network is trained: the method takes the gradient as zero. Retrain afterwards.

    Args:
        batches: normalised images (N, C, H, W) and labels (N,).
        curvature: h from the empirical Fisher information, a pass for each image, or the exact diagonal of the
            Hessian, a pass for each weight.

    Raises PruningError for no images, too many weights for "exact" or a sparsity outside [0, 1).
    """
    scores = curvature_saliency(network, batches, curvature=curvature, loss=loss, exclude=exclude)
    set_masks(network, keep_highest(scores, sparsity, scope=scope))


def curvature_saliency(
    network: nn.Module,
    batches: Batches,
    *,
    curvature: Curvature = "fisher",
    loss: Loss = F.cross_entropy,
    exclude: Collection[str] = (),
) -> dict[str, Tensor]:
    """Return h w^2 / 2 by layer: how much the mean loss rises, to second order, without each weight."""
    if curvature not in _CURVATURES:
        raise unknown_name("curvature", curvature, _CURVATURES)
    weights = prunable_weights(network, exclude=exclude)
    diagonal = _CURVATURES[curvature](network, batches, loss=loss, exclude=exclude)
    return {name: diagonal[name] * weight.pow(2) / 2 for name, weight in weights.items()}
