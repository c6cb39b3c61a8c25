"""The range with the least squared error."""

import numpy as np
import torch
from torch import Tensor

from model_compression.methods import method
from model_compression.quantization.affine import Grid, choose_params, fake_quantize
from model_compression.quantization.ranges.base import RANGES, RangeEstimator
from model_compression.quantization.ranges.histogram import Histogram

_FRACTIONS = np.linspace(0.01, 1, 100)
_EXACT_VALUES = 2**18


@method("omse", "quantization", paper="arXiv:1902.06822")
@RANGES.register("mse")
class LeastSquares(RangeEstimator):
    """The range with the least ||x - Q(x)||^2 (OMSE, Choukroun et al., arXiv:1902.06822, section 3).

    A line search over hundredths of the range seen: both ends together, then each end by itself. Up to 2^18 values,
    or as many as a histogram of `bins` bins a channel has, are kept and judged one by one, and the range is never worse
    than the whole one. More are counted in the histogram and judged by the middles of its bins, about 1 % less exactly.
    """

    _values: Tensor | None = None
    _histogram: Histogram | None = None

    def __init__(self, grid: Grid, *, axis: int | None = None, bins: int = 8192) -> None:
        super().__init__(grid, axis=axis)
        self.bins = bins

    def _observe(self, rows: Tensor) -> None:
        if self._histogram is None:
            self._values = rows = rows.clone() if self._values is None else torch.cat([self._values, rows], dim=1)
            if rows.numel() <= max(_EXACT_VALUES, len(rows) * self.bins):
                return
            self._values, self._histogram = None, Histogram(len(rows), self.bins)
        self._histogram.add(rows.numpy())

    def _range(self) -> tuple[Tensor, Tensor]:
        if self._histogram is None:
            assert self._values is not None
            values, weights = self._values, torch.ones(1, 1)
        else:
            values, weights = (torch.tensor(x).float() for x in (self._histogram.centres, self._histogram.counts))
            # the outermost bins may reach beyond all values
            values = values.clamp(self.low[:, None], self.high[:, None])

        def error(low: Tensor, high: Tensor) -> Tensor:
            quantized = fake_quantize(values, choose_params(low, high, self.grid))
            return (weights * (quantized - values) ** 2).sum(dim=1, dtype=torch.float64)

        # a range contains 0, and shrinking it towards 0 keeps that
        low, high = self.low.clamp(max=0), self.high.clamp(min=0)
        least = error(low, high)
        for moves_low, moves_high in ((1, 1), (0, 1), (1, 0)):
            from_low, from_high = low, high
            for fraction in _FRACTIONS:
                new_low = from_low * float(fraction if moves_low else 1)
                new_high = from_high * float(fraction if moves_high else 1)
                new = error(new_low, new_high)
                better = new < least
                least = torch.where(better, new, least)
                low, high = torch.where(better, new_low, low), torch.where(better, new_high, high)
        return low, high
