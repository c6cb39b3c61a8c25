"""What a sparse network takes on disk."""

import copy
import lzma
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_compression.pruning.unstructured.masks import prunable_weights, remove_masks, sparsity


@dataclass(frozen=True)
class SparseSize:
    """Bytes of all parameters and buffers of a network, by format; what cannot be pruned is dense in all of them.

    Attributes:
        sparsity: share of zeros, 0..1, of the weights that can be pruned.
        dense: as they are.
        bitmask: a bit for each weight that says whether it is there, then those that are.
        csr: compressed sparse rows: values, an int32 column for each, an int32 for each row's end.
        zlib, lzma: the dense bytes of each tensor compressed, at levels 9 and 6.
    """

    sparsity: float
    dense: int
    bitmask: int
    csr: int
    zlib: int
    lzma: int

    @property
    def smallest(self) -> str:
        """Name of the format of fewest bytes."""
        return min(("dense", "bitmask", "csr", "zlib", "lzma"), key=lambda name: getattr(self, name))


def sparse_size(network: nn.Module) -> SparseSize:
    """Return the bytes of a network, with or without masks, in its own number format.

    Raises PruningError where there is nothing that can be pruned.
    """
    network = copy.deepcopy(network)
    remove_masks(network)
    weights = prunable_weights(network)
    contents = [_bytes(tensor) for tensor in network.state_dict().values()]
    dense = sum(map(len, contents))
    other = dense - sum(weight.nbytes for weight in weights.values())
    return SparseSize(
        sparsity=sparsity(network),
        dense=dense,
        bitmask=other + sum(map(bitmask_bytes, weights.values())),
        csr=other + sum(map(csr_bytes, weights.values())),
        zlib=sum(len(zlib.compress(content, 9)) for content in contents),
        lzma=sum(len(lzma.compress(content, preset=6)) for content in contents),
    )


def bitmask_bytes(weight: Tensor) -> int:
    """Return the bytes of a bit for each entry and the entries that are not zero."""
    return -(-weight.numel() // 8) + int(weight.count_nonzero()) * weight.element_size()


def csr_bytes(weight: Tensor) -> int:
    """Return the bytes of compressed sparse rows with int32 indices; a row is an output (O, ...)."""
    return int(weight.count_nonzero()) * (weight.element_size() + 4) + (len(weight) + 1) * 4


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
