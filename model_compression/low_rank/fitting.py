"""Linear algebra of the fits: what a norm over the layer's inputs changes is here and nowhere else."""

import torch
from torch import Tensor

from model_compression.errors import FactorizationError


def basis(matrix: Tensor, rank: int, covariance: Tensor | None = None) -> Tensor:
    """Return (n, rank), whose column space holds the best approximation of `matrix` (n, m) of that rank.

    Best in ||covariance^(1/2) (matrix - approximation)||, by Eckart and Young; of the Gram matrix's two forms the
    smaller one is taken apart.
    """
    rows, columns = matrix.shape
    if rows > columns:
        weighted = matrix if covariance is None else covariance @ matrix
        return matrix @ _top(matrix.T @ weighted, rank)
    if covariance is None:
        return _top(matrix @ matrix.T, rank)
    root, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        raise FactorizationError("a covariance that is not positive definite: it is no mean of products")
    half = root.T @ matrix
    return torch.linalg.solve_triangular(root.T, _top(half @ half.T, rank), upper=True)


def refit(weight: Tensor, first: Tensor, covariance: Tensor | None = None) -> Tensor:
    """Return the (O, R) that brings `last @ first` nearest to `weight` (O, n), with `first` (R, n) as it is."""
    weighted = first if covariance is None else first @ covariance
    return (weight @ weighted.T) @ torch.linalg.pinv(first @ weighted.T, rtol=1e-13, hermitian=True)


def squared_error(difference: Tensor, covariance: Tensor | None = None) -> float:
    """Return ||difference covariance^(1/2)||^2 for a difference of weights (O, n)."""
    weighted = difference if covariance is None else difference @ covariance
    return max(0.0, float((weighted * difference).sum()))


def balance(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Scale the components of `first` (R, ...) and `last` (O, R, ...) so that both sides are equally large.

    Unequal ones learn at unequal speed, and quantize badly.
    """
    size_first, size_last = first.flatten(1).norm(dim=1), last.transpose(0, 1).flatten(1).norm(dim=1)
    alive = (size_first > 0) & (size_last > 0)
    scale = torch.where(alive, (size_last / size_first.clamp(min=1e-300)).sqrt(), torch.ones_like(size_first))
    shape = [1, -1] + [1] * (last.ndim - 2)
    return first * scale.reshape(-1, *[1] * (first.ndim - 1)), last / scale.reshape(shape)


def _top(symmetric: Tensor, count: int) -> Tensor:
    """Return the eigenvectors of the `count` largest eigenvalues, the largest first."""
    return torch.linalg.eigh((symmetric + symmetric.T) / 2).eigenvectors.flip(1)[:, :count]
