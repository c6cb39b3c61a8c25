"""What all ways to find a range share: checks, channels, and the smallest and largest value so far."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid
from zoo.registry import Registry


class RangeEstimator(ABC):
    """Finds the range of a tensor that is seen batch by batch; memory does not grow with the batches.

    Attributes:
        grid: that the range is for.
        axis: of the channels that get a range each; None for one range.
        low, high: the smallest and the largest value so far, float32 [channels] ([1] for one range).
    """

    low: Tensor
    high: Tensor

    def __init__(self, grid: Grid, *, axis: int | None = None) -> None:
        self.grid, self.axis, self._seen = grid, axis, False

    def observe(self, batch: Tensor) -> None:
        """Take note of `batch`, of any shape; raises QuantizationError if it is empty or holds NaN or infinity."""
        rows = self._rows(batch.detach().cpu().float())
        if not rows.numel():
            raise QuantizationError(f"a calibration batch of shape {[*batch.shape]} holds no values")
        low, high = rows.aminmax(dim=1)
        if not (low.isfinite().all() and high.isfinite().all()):
            raise QuantizationError("activations hold NaN or infinity; check the network and the calibration images")
        if not self._seen:
            self.low, self.high = low, high
        elif low.shape != self.low.shape:
            raise QuantizationError(
                f"a batch has {len(low)} channels on axis {self.axis}, those before {len(self.low)}"
            )
        self.low, self.high = torch.minimum(self.low, low), torch.maximum(self.high, high)
        self._observe(rows)
        self._seen = True

    def range(self) -> tuple[Tensor, Tensor]:
        """Return (low, high) as float32, scalars or [channels]; raises QuantizationError if nothing was observed."""
        if not self._seen:
            raise QuantizationError("no calibration data: give at least one batch before the range is asked for")
        low, high = self._range()
        return (low[0], high[0]) if self.axis is None else (low, high)

    def _rows(self, batch: Tensor) -> Tensor:
        if self.axis is None:
            return batch.reshape(1, -1)
        if not -batch.ndim <= self.axis < batch.ndim:
            raise QuantizationError(f"a batch of shape {[*batch.shape]} has no axis {self.axis}")
        return batch.movedim(self.axis, 0).flatten(1) if batch.ndim > 1 else batch[:, None]

    @abstractmethod
    def _observe(self, rows: Tensor) -> None:
        """Take note of float32 [channels, values], finite; `low` and `high` already contain them."""

    @abstractmethod
    def _range(self) -> tuple[Tensor, Tensor]:
        """Return (low, high), float32 [channels]."""


RANGES: Registry[type[RangeEstimator]] = Registry("range", "model_compression.quantization.ranges")
