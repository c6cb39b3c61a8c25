"""Separable filters: a column of the kernel, then a row."""

import torch
from torch import Tensor, nn

from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition, Layer, Ranks, part, weight_of
from model_compression.low_rank.fitting import balance, basis, refit, squared_error
from model_compression.methods import method


@method("separable", "low-rank", paper="arXiv:1405.3866, scheme 2")
@DECOMPOSITIONS.register("separable")
class Separable(Decomposition):
    """A kxk convolution as kx1 to R channels and 1xk to the outputs.

    The best of its rank in closed form (Tai et al., arXiv:1511.06067, theorem 1): the SVD of the weight as a matrix
    (k I, k O). With a covariance the columns are the best for rows of pixels that do not correlate, or those of the
    plain fit where these do better, and the rows the best for these columns.
    """

    only_spatial = True

    def full_ranks(self, layer: Layer) -> Ranks:
        out_chans, in_chans, height, width = weight_of(layer).shape
        return (min(in_chans * height, out_chans * width),)

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        out_chans, in_chans = layer.weight.shape[:2]
        first = part(layer, in_chans, ranks[0], axes="h")
        return nn.Sequential(first, part(layer, ranks[0], out_chans, axes="w", bias=layer.bias is not None))

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        weight = weight_of(layer)
        _, in_chans, height, width = weight.shape
        matrix = weight.permute(1, 2, 0, 3).reshape(in_chans * height, -1)
        columns = [basis(matrix, ranks[0])]
        if covariance is not None:
            patches = covariance.reshape(2 * (in_chans, height, width))
            of_columns = torch.einsum("iabjcb->iajc", patches).reshape(2 * (in_chans * height,))
            columns.append(basis(matrix, ranks[0], of_columns))
        fits = [_with_rows(weight, first.T, covariance) for first in columns]
        _, first, last = min(fits, key=lambda fit: fit[0])
        first, last = balance(first, last)
        return {"0.weight": first, "1.weight": last}


@method("separable-bn", "low-rank", paper="arXiv:1511.06067")
@DECOMPOSITIONS.register("separable-bn")
class SeparableBatchNorm(Separable):
    """The separable convolution with a batch norm between, with which deep networks of it can be trained from scratch.

    Made from a weight, the norm changes nothing until it is trained.
    """

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        first, last = super().structure(layer, ranks)
        return nn.Sequential(first, nn.BatchNorm2d(ranks[0]), last)

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        values = super().fit(layer, ranks, covariance)
        still = nn.BatchNorm2d(ranks[0])
        return {
            "0.weight": values["0.weight"],
            "1.weight": torch.full((ranks[0],), (1 + still.eps) ** 0.5),
            "2.weight": values["1.weight"],
        }


def _with_rows(weight: Tensor, first: Tensor, covariance: Tensor | None) -> tuple[float, Tensor, Tensor]:
    """Return the error with columns `first` (R, I k) and the best rows, the columns, and the rows (O, R, k)."""
    _, in_chans, height, width = weight.shape
    columns = first.reshape(-1, in_chans, height)
    shifted = torch.einsum("ria,bc->rbiac", columns, torch.eye(width, dtype=weight.dtype)).flatten(2).flatten(0, 1)
    flat = weight.flatten(1)
    rows = refit(flat, shifted, covariance)
    error = squared_error(flat - rows @ shifted, covariance)
    return error, first, rows.reshape(len(weight), -1, width)
