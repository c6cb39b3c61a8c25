"""All that was seen."""

from torch import Tensor

from model_compression.methods import method
from model_compression.quantization.ranges.base import RANGES, RangeEstimator


@method("min-max-calibration", "quantization", paper="arXiv:1806.08342")
@RANGES.register("min-max")
class MinMax(RangeEstimator):
    """From the smallest value to the largest: nothing is clipped, and one outlier makes every step coarse."""

    def _observe(self, rows: Tensor) -> None:
        pass

    def _range(self) -> tuple[Tensor, Tensor]:
        return self.low, self.high
