"""CP: a kernel as a sum of products of four vectors."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from model_compression.errors import FactorizationError
from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition, Layer, Ranks, part, weight_of
from model_compression.low_rank.fitting import refit
from model_compression.methods import method

NORM_LIMIT = 10.0  # sum of the squared norms of the components, over that of the tensor
_STARTS = 3
_ITERATIONS = 100


@method("cp", "low-rank", paper="arXiv:1412.6553; stabilised after arXiv:2008.05441")
@DECOMPOSITIONS.register("cp")
class Cp(Decomposition):
    """A kxk convolution as 1x1 to R channels, kx1 and 1xk on each channel alone, and 1x1 to the outputs.

    By regularised alternating least squares from several starts (tensorly); the components stay bounded, where those of
    the plain fit may grow without end against each other. A covariance changes the last layer alone.
    """

    only_spatial = True

    def full_ranks(self, layer: Layer) -> Ranks:
        return (exact_rank(weight_of(layer).shape),)

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        (out_chans, in_chans), rank = layer.weight.shape[:2], ranks[0]
        return nn.Sequential(
            part(layer, in_chans, rank),
            part(layer, rank, rank, axes="h", groups=rank),
            part(layer, rank, rank, axes="w", groups=rank),
            part(layer, rank, out_chans, bias=layer.bias is not None),
        )

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        weight = weight_of(layer)
        outputs, inputs, columns, rows = (torch.from_numpy(f) for f in bounded_cp(weight.numpy(), ranks[0]))
        if covariance is not None:
            kernels = torch.einsum("ir,ar,br->riab", inputs, columns, rows).flatten(1)
            outputs = refit(weight.flatten(1), kernels, covariance)
        return {"0.weight": inputs.T, "1.weight": columns.T, "2.weight": rows.T, "3.weight": outputs}


def exact_rank(shape: Sequence[int]) -> int:
    """Return a number of components that is enough for any tensor of `shape`."""
    return math.prod(shape) // max(shape)


def bounded_cp(tensor: np.ndarray, rank: int, *, starts: int = _STARTS) -> list[np.ndarray]:
    """Return a (size, rank) matrix for each mode, whose columns' outer products add up to about `tensor`.

    Of several starts the one of least error whose components' squared norms add up to no more than NORM_LIMIT times the
    tensor's; the regularisation grows until there is one. A component's norm is spread over its vectors evenly.
    """
    from tensorly import cp_to_tensor
    from tensorly.decomposition import parafac

    size = float(np.linalg.norm(tensor))
    if rank >= exact_rank(tensor.shape) or size == 0:
        return _fibres(tensor, rank)
    unit = tensor / size
    for penalty in (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
        found: list[tuple[float, list[np.ndarray]]] = []
        for start in range(starts):
            try:
                with warnings.catch_warnings(action="ignore", category=UserWarning):  # ranks above a mode's size
                    fitted = parafac(
                        unit,
                        rank,
                        n_iter_max=_ITERATIONS,
                        init="random" if start else "svd",
                        random_state=start,
                        l2_reg=penalty,
                        tol=1e-6,
                    )
            except np.linalg.LinAlgError:
                continue
            factors = _spread(fitted.factors)
            if (component_norms(factors) ** 2).sum() <= NORM_LIMIT:
                found.append((float(np.linalg.norm(np.asarray(cp_to_tensor((None, factors))) - unit)), factors))
        if found:
            return [factor * size ** (1 / tensor.ndim) for factor in min(found, key=lambda pair: pair[0])[1]]
    raise FactorizationError(f"no bounded CP decomposition of rank {rank}: use tucker")


def component_norms(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Return the norm of each component."""
    return np.prod([np.linalg.norm(factor, axis=0) for factor in factors], axis=0)


def _spread(factors: Sequence[np.ndarray]) -> list[np.ndarray]:
    norms = [np.linalg.norm(factor, axis=0) for factor in factors]
    each = np.prod(norms, axis=0) ** (1 / len(factors))
    return [factor * (each / np.maximum(norm, 1e-300)) for factor, norm in zip(factors, norms, strict=True)]


def _fibres(tensor: np.ndarray, rank: int) -> list[np.ndarray]:
    """Return the exact decomposition: a component for each fibre along the longest mode."""
    longest = int(np.argmax(tensor.shape))
    others = [mode for mode in range(tensor.ndim) if mode != longest]
    places = np.indices([tensor.shape[mode] for mode in others]).reshape(len(others), -1)
    factors = [np.zeros((length, rank)) for length in tensor.shape]
    count = min(rank, places.shape[1])
    factors[longest][:, :count] = np.moveaxis(tensor, longest, -1).reshape(-1, tensor.shape[longest]).T[:, :count]
    for mode, place in zip(others, places, strict=True):
        factors[mode][place[:count], np.arange(count)] = 1
    return _spread(factors)
