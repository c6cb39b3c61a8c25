"""N:M sparsity: of every M weights in a row N are kept."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.unstructured.masks import prunable_weights, set_masks


@method("n-m-sparsity", "pruning", paper="arXiv:2104.08378")
def prune_n_of_m(network: nn.Module, n: int = 2, m: int = 4, *, exclude: Collection[str] = ()) -> list[str]:
    """Mask all but the `n` largest of every `m` weights along the input channels, in place; return the layers masked.

    Layers whose inputs do not divide by `m`, the first convolution and depthwise ones as a rule, are left as they are.
    Some GPUs compute 2:4 faster; no CPU runtime does.

    Raises PruningError unless 0 < n < m, and where no layer has inputs that divide by m.
    """
    if not 0 < n < m:
        raise PruningError(f"{n} of every {m} weights cannot be kept; give 0 < n < m")
    weights = prunable_weights(network, exclude=exclude)
    fitting = {name: weight for name, weight in weights.items() if weight.shape[1] % m == 0}
    if not fitting:
        raise PruningError(f"no layer of {type(network).__name__} has a multiple of {m} input channels")
    set_masks(network, {name: n_of_m(weight, n, m) for name, weight in fitting.items()})
    return list(fitting)


def n_of_m(weight: Tensor, n: int, m: int) -> Tensor:
    """Return the mask of the `n` largest of every `m` absolute values along dimension 1 of (O, I, ...)."""
    groups = weight.abs().movedim(1, -1).unflatten(-1, (-1, m))
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter(-1, groups.topk(n).indices, True)
    return mask.flatten(-2).movedim(-1, 1)
