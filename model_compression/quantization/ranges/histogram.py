"""Histograms of a fixed number of bins, and the estimators that fill one."""

import numpy as np
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid
from model_compression.quantization.ranges.base import RangeEstimator


class Histogram:
    """Counts of values in equal bins from -limit to limit, one row per channel.

    The first values set the limit. It doubles when a larger value comes: two bins become one and no count is lost.

    Attributes:
        counts: int64 [channels, bins].
        limit: float64 [channels]; 0 while a channel has only zeros, which are in the first bin above 0.
    """

    def __init__(self, channels: int, bins: int) -> None:
        if bins % 4:
            raise QuantizationError(f"a histogram has a multiple of 4 bins, not {bins}")
        self.counts = np.zeros((channels, bins), dtype=np.int64)
        self.limit = np.zeros(channels)

    @property
    def edges(self) -> np.ndarray:
        """Return the borders of the bins, float64 [channels, bins + 1]."""
        return self.limit[:, None] * np.linspace(-1, 1, self.counts.shape[1] + 1)

    @property
    def centres(self) -> np.ndarray:
        """Return the middles of the bins, float64 [channels, bins]."""
        edges = self.edges
        return (edges[:, :-1] + edges[:, 1:]) / 2

    def add(self, rows: np.ndarray) -> None:
        """Count finite values [channels, values]."""
        rows = rows.astype(np.float64)
        channels, bins = self.counts.shape
        largest = np.abs(rows).max(axis=1)
        self.limit = np.where(self.limit == 0, largest, self.limit)
        while (small := largest > self.limit).any():
            pairs = self.counts[small].reshape(-1, bins // 2, 2).sum(axis=2)
            self.counts[small] = np.pad(pairs, [(0, 0), (bins // 4, bins // 4)])
            self.limit[small] *= 2
        limit = np.where(self.limit == 0, 1, self.limit)[:, None]
        index = np.minimum(((rows / limit + 1) * (bins // 2)).astype(np.int64), bins - 1)
        index += np.arange(channels)[:, None] * bins
        self.counts += np.bincount(index.ravel(), minlength=channels * bins).reshape(channels, bins)


class HistogramEstimator(RangeEstimator):
    """A range that is read off a histogram of `bins` bins."""

    histogram: Histogram

    def __init__(self, grid: Grid, *, axis: int | None = None, bins: int = 2048) -> None:
        super().__init__(grid, axis=axis)
        self.bins = bins

    def _observe(self, rows: Tensor) -> None:
        if not self._seen:
            self.histogram = Histogram(len(rows), self.bins)
        self.histogram.add(rows.numpy())
