"""Magnitude pruning: the smallest weights go."""

from collections.abc import Collection

from torch import nn

from model_compression.methods import method
from model_compression.pruning.unstructured.masks import Scope, keep_highest, prunable_weights, set_masks


@method("magnitude-pruning", "pruning", paper="arXiv:1710.01878")
def prune_by_magnitude(
    network: nn.Module, sparsity: float, *, scope: Scope = "global", exclude: Collection[str] = ()
) -> None:
    """Mask the weights of smallest absolute value, a share `sparsity` of all or of each layer ("local"), in place.

    Weights that are zero already are the first to go, so a second call with a higher sparsity goes on where the first
    stopped. Raises PruningError and UnknownNameError as `prunable_layers` and `keep_highest` do.
    """
    weights = prunable_weights(network, exclude=exclude)
    set_masks(network, keep_highest({name: weight.abs() for name, weight in weights.items()}, sparsity, scope=scope))
