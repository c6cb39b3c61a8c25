"""The range of a usual batch."""

from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.affine import Grid
from model_compression.quantization.ranges.base import RANGES, RangeEstimator


@method("moving-average-calibration", "quantization", paper="arXiv:1712.05877")
@RANGES.register("moving-average")
class MovingAverage(RangeEstimator):
    """The exponential moving average of each batch's smallest and largest value (arXiv:1712.05877, section 3.1).

    `weight`, above 0 and at most 1, is what each batch after the first counts for.
    """

    def __init__(self, grid: Grid, *, axis: int | None = None, weight: float = 0.01) -> None:
        super().__init__(grid, axis=axis)
        if not 0 < weight <= 1:
            raise QuantizationError(f"a batch's weight is above 0 and at most 1, not {weight}")
        self.weight = weight

    def _observe(self, rows: Tensor) -> None:
        low, high = rows.aminmax(dim=1)
        if not self._seen:
            self._average = low, high
        old_low, old_high = self._average
        self._average = old_low + self.weight * (low - old_low), old_high + self.weight * (high - old_high)

    def _range(self) -> tuple[Tensor, Tensor]:
        return self._average
