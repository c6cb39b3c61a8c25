"""ZiCo: whether gradients are large and the same for all images (Li et al., arXiv:2301.11300)."""

import torch
from torch import Tensor, nn

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import weights_and_gradients

_BATCHES = 2


@PROXIES.register("zico")
def zico(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the sum over layers of log of the sum over weights of E|g| / sqrt(Var g), g = dL/dw of a batch.

    The two batches of the paper are the two halves of the images. A weight whose gradient is the same for both says
    nothing, a layer of only such weights is left out, as in the authors' code.
    """
    halves = zip(images.chunk(_BATCHES), labels.chunk(_BATCHES), strict=True)
    batches = [[g for _, g in weights_and_gradients(network, *half)] for half in halves]
    score = 0.0
    for layer in zip(*batches, strict=True):
        gradients = torch.stack(layer)
        deviation = gradients.std(0, correction=0)
        ratios = gradients.abs().mean(0)[deviation > 0] / deviation[deviation > 0]
        if len(ratios) and ratios.sum() > 0:
            score += float(ratios.sum().log())
    return score
