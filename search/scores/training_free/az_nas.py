"""The scores that AZ-NAS adds to the multiply-adds (Lee and Ham, arXiv:2403.19232), of the map after each block."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import working_copy


@PROXIES.register("az_expressivity")
def az_expressivity(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the sum over blocks of the entropy of their features' principal components."""
    return float(_entropies(network, images).sum())


@PROXIES.register("az_progressivity")
def az_progressivity(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return by how much the entropy grows from block to block, where it grows least."""
    return float(_entropies(network, images).diff().min())


@PROXIES.register("az_trainability")
def az_trainability(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the mean over blocks of 2 - s - 1 / s, highest where gradients keep their size.

    s is the spectral norm of the block's Jacobian, found from one random gradient of signs. A block that hands on
    the gradient as it is has no weights to train: -inf.
    """
    generator = torch.Generator(images.device).manual_seed(0)
    maps = _maps(network, images)
    scores = []
    for before, after in pairwise(maps):
        signs = torch.empty_like(after).bernoulli_(0.5, generator=generator) * 2 - 1
        (slopes,) = torch.autograd.grad(after, before, signs)
        if slopes.shape == signs.shape and torch.equal(slopes, signs):
            return float("-inf")
        norm = torch.linalg.matrix_norm(_cross(slopes, signs), 2)
        scores.append(2 - norm - 1 / (norm + 1e-6))
    return float(torch.stack(scores).mean())


def _maps(network: nn.Module, images: Tensor) -> list[Tensor]:
    twin = working_copy(network)
    return twin.run_blocks(images, range(len(twin.blocks)))[1]


@torch.no_grad()
def _entropies(network: nn.Module, images: Tensor) -> Tensor:
    return torch.stack([_entropy(x) for x in _maps(network, images)])


def _entropy(x: Tensor) -> Tensor:
    """Return the entropy of the variance of (N, C, H, W) over the principal components of its pixels; 0 without any."""
    eigenvalues = torch.linalg.eigvalsh(torch.cov(_pixels(x).T, correction=0).double()).clamp(min=0)
    total = eigenvalues.sum()
    return torch.special.entr(eigenvalues / total).sum() if total > 0 else total


def _cross(slopes: Tensor, signs: Tensor) -> Tensor:
    """Return the mean over output pixels of slope times sign, (input channels, output channels).

    Where the block has a stride, the input pixels that one output pixel covers are channels.
    """
    stride = -(-slopes.shape[2] // signs.shape[2])
    missing = [side * stride - given for side, given in zip(signs.shape[2:], slopes.shape[2:], strict=True)]
    folded = F.pixel_unshuffle(F.pad(slopes, (0, missing[1], 0, missing[0])), stride)
    return _pixels(folded).T @ _pixels(signs) / (signs.numel() / signs.shape[1])


def _pixels(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N * H * W, C)."""
    return x.movedim(1, -1).flatten(0, 2)
