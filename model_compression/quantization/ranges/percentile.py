"""All but the rarest values."""

import numpy as np
import torch
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.affine import Grid
from model_compression.quantization.ranges.base import RANGES
from model_compression.quantization.ranges.histogram import HistogramEstimator


@method("percentile-calibration", "quantization", paper="arXiv:1809.04191")
@RANGES.register("percentile")
class Percentile(HistogramEstimator):
    """The range that holds `percent` of the values, the rest cut evenly at both ends.

    For a symmetric grid it holds `percent` of the absolute values. Right to the width of a histogram's bin.
    """

    def __init__(self, grid: Grid, *, axis: int | None = None, bins: int = 2048, percent: float = 99.99) -> None:
        super().__init__(grid, axis=axis, bins=bins)
        if not 0 < percent <= 100:
            raise QuantizationError(f"a percentile is above 0 and at most 100, not {percent}")
        self.percent = percent

    def _range(self) -> tuple[Tensor, Tensor]:
        counts, edges = self.histogram.counts, self.histogram.edges
        if self.grid.symmetric:
            half = self.bins // 2
            counts, edges = counts[:, half:] + counts[:, :half][:, ::-1], edges[:, half:]
            high = torch.tensor([_quantile(*row, self.percent / 100) for row in zip(counts, edges, strict=True)])
            high = torch.minimum(high.float(), torch.maximum(-self.low, self.high))
            return -high, high
        cut = (1 - self.percent / 100) / 2
        low, high = (
            torch.tensor([_quantile(*row, part) for row in zip(counts, edges, strict=True)]).float()
            for part in (cut, 1 - cut)
        )
        return low.clamp(self.low, self.high), high.clamp(self.low, self.high)


def _quantile(counts: np.ndarray, edges: np.ndarray, part: float) -> float:
    """Return below which value the `part` of the counts lies, values lying evenly in their bins."""
    filled = np.flatnonzero(counts)  # the flat places of a cumulative count have no inverse
    below = np.concatenate([[0], counts[filled].cumsum()])
    wanted = part * below[-1]
    k = min(max(int(np.searchsorted(below, wanted)) - 1, 0), len(filled) - 1)
    start, end = edges[filled[k]], edges[filled[k] + 1]
    return float(start + (end - start) * (wanted - below[k]) / counts[filled[k]])
