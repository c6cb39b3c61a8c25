"""Weights predicted from a few of them."""

import torch
from torch import Tensor, nn

from model_compression.low_rank.decomposition import DECOMPOSITIONS, Layer, Ranks, weight_of
from model_compression.low_rank.fitting import refit
from model_compression.low_rank.svd import Svd
from model_compression.methods import method


@method("parameter-prediction", "low-rank", paper="arXiv:1306.0543")
@DECOMPOSITIONS.register("prediction")
class Prediction(Svd):
    """The weights of R inputs are kept, those of all others are predicted from them by kernel ridge regression.

    The kernel is the inputs' covariance where it is given (the paper's for layers above the first), else that of the
    weights themselves; the inputs are chosen greedily, each the one that the others predict worst. The first small
    layer is this prediction and is not trained; with a covariance the second is fitted to it.
    """

    def full_ranks(self, layer: Layer) -> Ranks:
        return (layer.weight[0].numel(),)

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        small = super().structure(layer, ranks)
        small[0].requires_grad_(False)
        return small

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        weight = weight_of(layer).flatten(1)
        kernel = weight.T @ weight if covariance is None else covariance
        kernel = kernel + (1e-9 * kernel.diagonal().mean() + 1e-30) * torch.eye(len(kernel), dtype=kernel.dtype)
        kept = greedy_subset(kernel, ranks[0])
        predicted = torch.linalg.solve(kernel[kept][:, kept], kernel[kept])
        last = weight[:, kept] if covariance is None else refit(weight, predicted, covariance)
        return {"0.weight": predicted, "1.weight": last}


def greedy_subset(kernel: Tensor, count: int) -> Tensor:
    """Return indices of `count` variables by pivoted Cholesky: each has the most variance left, given those before."""
    left, rows = kernel.diagonal().clone(), torch.zeros(count, len(kernel), dtype=kernel.dtype)
    chosen: list[int] = []
    for step in range(count):
        left[chosen] = -torch.inf
        pivot = int(left.argmax())
        rest = kernel[pivot] - rows[:step, pivot] @ rows[:step]
        rows[step] = rest / rest[pivot].clamp(min=1e-300).sqrt()
        left = left - rows[step].square()
        chosen.append(pivot)
    return torch.tensor(chosen)
