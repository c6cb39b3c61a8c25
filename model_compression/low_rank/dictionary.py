"""A dictionary of separable filters that all channels share."""

import torch
from torch import Tensor, nn

from model_compression.low_rank.cp import bounded_cp
from model_compression.low_rank.decomposition import (
    DECOMPOSITIONS,
    Decomposition,
    Layer,
    Ranks,
    kernel_of,
    part,
    weight_of,
)
from model_compression.low_rank.fitting import refit
from model_compression.methods import method


@method("separable-dictionary", "low-rank", paper="Rigamonti et al., CVPR 2013")
@DECOMPOSITIONS.register("dictionary")
class Dictionary(Decomposition):
    """A kxk convolution as M separable filters of each input channel, the same for all, and 1x1 sums of their maps.

    The filters are learned as a CP decomposition of all kernels at once (Sironi et al., TPAMI 2015, SEP-TD). Filters of
    rank 1 that are no more than M are found exactly. A covariance changes the sums alone.
    """

    only_spatial = True

    def full_ranks(self, layer: Layer) -> Ranks:
        height, width = kernel_of(layer)
        return (height * width,)

    def channels(self, layer: Layer) -> Ranks:
        return self.full_ranks(layer)

    def scaled(self, layer: Layer, share: float, multiple: int = 1) -> Ranks:
        return super().scaled(layer, share, 1)  # the channels are a multiple of the layer's, whatever the rank

    def grid(self, layer: Layer, multiple: int) -> list[Ranks]:
        return super().grid(layer, 1)

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        out_chans, in_chans = layer.weight.shape[:2]
        maps = in_chans * ranks[0]
        return nn.Sequential(
            part(layer, in_chans, maps, axes="h", groups=in_chans),
            part(layer, maps, maps, axes="w", groups=maps),
            part(layer, maps, out_chans, bias=layer.bias is not None),
        )

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        weight = weight_of(layer)
        out_chans, in_chans, height, width = weight.shape
        # the kernels lie in a space of k^2 dimensions: there the decomposition is the same, and small
        kernels = weight.reshape(-1, height * width)
        gram = torch.linalg.eigh(kernels.T @ kernels)
        space = (gram.eigenvectors * gram.eigenvalues.clamp(min=0).sqrt()).T.reshape(-1, height, width)
        _, columns, rows = (torch.from_numpy(factor) for factor in bounded_cp(space.numpy(), ranks[0]))
        filters = torch.einsum("am,bm->mab", columns, rows).flatten(1)
        sums = refit(kernels, filters).reshape(out_chans, -1)
        if covariance is not None:
            first = torch.kron(torch.eye(in_chans, dtype=weight.dtype), filters.contiguous())
            sums = refit(weight.flatten(1), first, covariance)
        return {
            "0.weight": columns.T.repeat(in_chans, 1),
            "1.weight": rows.T.repeat(in_chans, 1),
            "2.weight": sums,
        }
