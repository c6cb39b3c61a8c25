"""Jacobian covariance: whether images pull the output in different directions (arXiv:2006.04647, version 1)."""

import torch
from torch import Tensor, nn

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import working_copy

_EPSILON = 1e-5


@PROXIES.register("jacov")
def jacov(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return - sum of log(v + e) + 1 / (v + e) over the eigenvalues v of the correlation of the images' Jacobians.

    The Jacobian of an image is the slope of the sum of its outputs with respect to its pixels.
    """
    pixels = images.clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(working_copy(network)(pixels).sum(), pixels)
    correlation = torch.corrcoef(jacobian.flatten(1).double())
    shifted = torch.linalg.eigvalsh(correlation) + _EPSILON
    return -float((shifted.log() + 1 / shifted).sum())
