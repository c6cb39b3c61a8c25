"""Gradient-based pruning: the weights without which the loss changes least go."""

from collections.abc import Collection

import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.methods import method
from model_compression.pruning.unstructured.derivatives import Batches, Loss, gradient
from model_compression.pruning.unstructured.masks import Scope, keep_highest, prunable_weights, set_masks


@method("gradient-saliency", "pruning", paper="arXiv:1810.02340")
def prune_by_gradient(
    network: nn.Module,
    batches: Batches,
    sparsity: float,
    *,
    loss: Loss = F.cross_entropy,
    scope: Scope = "global",
    exclude: Collection[str] = (),
) -> None:
    """Mask the weights of smallest |w dL/dw| (SNIP), a share `sparsity` of all or of each layer, in place.

    SNIP does so before the training, on one batch of random weights; it serves a trained network as well.

    Args:
        batches: normalised images (N, C, H, W) and labels (N,).

    Raises PruningError for no images, scores that are NaN or a sparsity outside [0, 1).
    """
    scores = gradient_saliency(network, batches, loss=loss, exclude=exclude)
    set_masks(network, keep_highest(scores, sparsity, scope=scope))


def gradient_saliency(
    network: nn.Module, batches: Batches, *, loss: Loss = F.cross_entropy, exclude: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return |w dL/dw| by layer: how much the mean loss changes, to first order, without each weight."""
    weights = prunable_weights(network, exclude=exclude)
    found = gradient(network, batches, loss=loss, exclude=exclude)
    return {name: (weight * found[name]).abs() for name, weight in weights.items()}
