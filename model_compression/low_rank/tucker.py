"""Tucker-2: fewer channels into and out of the kernel."""

import torch
from torch import Tensor, nn

from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition, Layer, Ranks, part, weight_of
from model_compression.low_rank.fitting import basis, refit, squared_error
from model_compression.methods import method

_SWEEPS = 10


@method("tucker-2", "low-rank", paper="arXiv:1511.06530")
@DECOMPOSITIONS.register("tucker")
class Tucker(Decomposition):
    """A kxk convolution as 1x1 to few channels, kxk between few, and 1x1 to the outputs; ranks (of outputs, of inputs).

    By higher-order orthogonal iteration on the two modes of channels. With a covariance the input channels are chosen
    in its norm (or as in the plain fit, where that does better), and the rest is the best for these, in closed form by
    reduced-rank regression.
    """

    only_spatial = True

    def full_ranks(self, layer: Layer) -> Ranks:
        out_chans, in_chans = layer.weight.shape[:2]
        return out_chans, in_chans

    def channels(self, layer: Layer) -> Ranks:
        return self.full_ranks(layer)

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        out_chans, in_chans = layer.weight.shape[:2]
        of_outputs, of_inputs = ranks
        return nn.Sequential(
            part(layer, in_chans, of_inputs),
            part(layer, of_inputs, of_outputs, axes="hw"),
            part(layer, of_outputs, out_chans, bias=layer.bias is not None),
        )

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        weight = weight_of(layer)
        outputs, inputs = hooi(weight, ranks)
        if covariance is None:
            core = torch.einsum("oiab,op,iq->pqab", weight, outputs, inputs)
            return {"0.weight": inputs.T, "1.weight": core, "2.weight": outputs}
        in_chans, height, width = weight.shape[1:]
        of_channels = torch.einsum("iabjab->ij", covariance.reshape(2 * (in_chans, height, width)))
        weighted = basis(weight.transpose(0, 1).flatten(1), ranks[1], of_channels)
        fits = [_with_core(weight, first, ranks[0], covariance) for first in (inputs, torch.linalg.qr(weighted).Q)]
        return min(fits, key=lambda fit: fit[0])[1]


def hooi(weight: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Return orthonormal (O, ranks[0]) and (I, ranks[1]) that keep the most of `weight` (O, I, k, k)."""
    inputs, outputs = basis(weight.transpose(0, 1).flatten(1), ranks[1]), torch.empty(0)
    kept = -1.0
    for _ in range(_SWEEPS):
        outputs = _orthonormal(torch.einsum("oiab,iq->oqab", weight, inputs).flatten(1), ranks[0])
        core = torch.einsum("oiab,op->ipab", weight, outputs).flatten(1)
        inputs = _orthonormal(core, ranks[1])
        before, kept = kept, float((inputs.T @ core).square().sum())
        if kept <= before * (1 + 1e-9):
            break
    return outputs, inputs


def _orthonormal(matrix: Tensor, rank: int) -> Tensor:
    return torch.linalg.qr(basis(matrix, rank)).Q


def _with_core(weight: Tensor, inputs: Tensor, rank: int, covariance: Tensor) -> tuple[float, dict[str, Tensor]]:
    """Return the error with the input channels `inputs` (I, Q) and the best core and outputs, and the tensors."""
    flat, kernel = weight.flatten(1), weight.shape[2:]
    positions = torch.eye(kernel.numel(), dtype=weight.dtype)
    first = torch.kron(inputs.T.contiguous(), positions)
    free = refit(flat, first, covariance)  # as if the outputs had full rank
    outputs = _orthonormal(free @ torch.linalg.cholesky(first @ covariance @ first.T), rank)
    core = outputs.T @ free
    error = squared_error(flat - outputs @ core @ first, covariance)
    return error, {
        "0.weight": inputs.T,
        "1.weight": core.reshape(rank, inputs.shape[1], *kernel),
        "2.weight": outputs,
    }
