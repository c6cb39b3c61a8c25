"""The range that loses the least information."""

import numpy as np
import torch
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.affine import Grid
from model_compression.quantization.ranges.base import RANGES
from model_compression.quantization.ranges.histogram import HistogramEstimator


@method("entropy-calibration", "quantization", paper="Migacz, GTC 2017")
@RANGES.register("entropy")
class Entropy(HistogramEstimator):
    """The clipped range with the least Kullback-Leibler divergence from the histogram to its `levels`-level form.

    TensorRT's method (Migacz, GTC 2017, talk S7310) as onnxruntime computes it: the range grows symmetrically from
    `levels` bins around 0 and is then cut to the values seen. They use 128 levels for 8 bits: by default the levels are
    2^(bits - 1). Where no value is negative, as after a relu, the bin of 0 counts no more than its neighbour, as in
    NVIDIA's pytorch-quantization: the many zeros are exact with any range. Costs about 0.1 s per channel.
    """

    def __init__(self, grid: Grid, *, axis: int | None = None, bins: int = 2048, levels: int | None = None) -> None:
        super().__init__(grid, axis=axis, bins=bins)
        self.levels: int = 2 ** (grid.bits - 1) if levels is None else levels
        if not 2 <= self.levels <= bins:
            raise QuantizationError(f"levels are from 2 to the {bins} bins of the histogram, not {levels}")

    def _range(self) -> tuple[Tensor, Tensor]:
        zero, edges = self.bins // 2, self.histogram.edges
        counts = self.histogram.counts.copy()
        after_relu = self.low.numpy() >= 0
        counts[after_relu, zero] = np.minimum(counts[after_relu, zero], counts[after_relu, zero + 1])
        halves = [_best_half(row, self.levels) for row in counts]
        low = [row[zero - half] for row, half in zip(edges, halves, strict=True)]
        high = [row[min(zero + half + 1, self.bins)] for row, half in zip(edges, halves, strict=True)]
        low, high = (torch.tensor(np.array(ends)).float() for ends in (low, high))
        return torch.maximum(low, self.low), torch.minimum(high, self.high)


def _best_half(counts: np.ndarray, levels: int) -> int:
    """Return how many bins to keep on each side of 0."""
    halves = range(levels // 2, counts.size // 2 + 1)
    return halves[int(np.argmin([_divergence(counts, half, levels) for half in halves]))]


def _divergence(counts: np.ndarray, half: int, levels: int) -> float:
    """Return the divergence of the clipped counts from their form with `levels` levels."""
    zero = counts.size // 2
    start, end = zero - half, min(zero + half + 1, counts.size)
    kept = counts[start:end]
    clipped = kept.copy()
    clipped[0] += counts[:start].sum()
    clipped[-1] += counts[end:].sum()
    merged = kept.size // levels
    whole = merged * levels
    sums = kept[:whole].reshape(levels, merged).sum(axis=1)
    sums[-1] += kept[whole:].sum()
    filled = (clipped[:whole] != 0).reshape(levels, merged).sum(axis=1)
    coarse = np.zeros_like(clipped)
    coarse[:whole] = np.repeat(np.where(filled, sums // np.maximum(filled, 1), 0), merged)
    p, q = _smooth(clipped), _smooth(coarse)
    if p is None or q is None:
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where((p > 0) & (q > 0), p * np.log(p / q), np.where(p == 0, 0, np.inf))
    return float(terms.sum())


def _smooth(counts: np.ndarray, eps: float = 1e-4) -> np.ndarray | None:
    """Return float32 counts with `eps` in each empty bin, taken evenly from the others; None where that cannot be."""
    empty = counts == 0
    if empty.all():
        return None
    taken = eps * empty.sum() / (~empty).sum()
    return None if taken >= 1 else np.where(empty, eps, counts - taken).astype(np.float32)
