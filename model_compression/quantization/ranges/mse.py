"""The range with the least squared error."""

import numpy as np
import torch
from torch import Tensor

from model_compression.quantization.affine import choose_params, fake_quantize
from model_compression.quantization.ranges.base import RANGES
from model_compression.quantization.ranges.histogram import HistogramEstimator

_FRACTIONS = np.linspace(0.01, 1, 100)
_EXACT_VALUES = 2**21


@RANGES.register("mse")
class LeastSquares(HistogramEstimator):
    """The range with the least ||x - Q(x)||^2 (OMSE, Choukroun et al., arXiv:1902.06822, section 3).

    A line search over hundredths of the range seen: both ends together, then each end by itself. Never worse than
    the whole range on the values it judges: those seen, or the middles of their histogram's bins once several
    batches hold more than 2^21 of them.
    """

    def _observe(self, rows: Tensor) -> None:
        super()._observe(rows)
        if not self._seen:
            self._values: Tensor | None = rows  # however large: it is there already, and a weight has no second batch
        elif self._values is not None and self._values.numel() + rows.numel() <= _EXACT_VALUES:
            self._values = torch.cat([self._values, rows], dim=1)
        else:
            self._values = None

    def _range(self) -> tuple[Tensor, Tensor]:
        if self._values is not None:
            values, weights = self._values, torch.ones(1, 1)
        else:
            values, weights = (torch.tensor(x).float() for x in (self.histogram.centres, self.histogram.counts))
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
