"""The range that is best for a bell-shaped distribution, from a formula."""

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import erfc, lambertw
from torch import Tensor

from model_compression.methods import method
from model_compression.quantization.ranges.base import RANGES
from model_compression.quantization.ranges.histogram import HistogramEstimator

# below this mean absolute deviation / standard deviation a Laplace distribution is likelier than a Gaussian one
_LAPLACE_BELOW = np.sqrt(2 * np.pi * np.e) / (2 * np.e)


def laplace_clip(bits: int) -> float:
    """Return the best clip in units of the mean absolute deviation b (arXiv:1810.05723, section 2).

    The mean squared error of 2^bits levels over [-t b, t b] is b^2 (2 e^-t + t^2 / (3 * 4^bits)), least where
    t e^t = 3 * 4^bits. The paper cuts its digits: 3.89.

    >>> [round(laplace_clip(bits), 2) for bits in (2, 3, 4)]
    [2.83, 3.9, 5.03]
    """
    return float(lambertw(3 * 4**bits).real)


def gaussian_clip(bits: int) -> float:
    """Return the best clip in units of the standard deviation (arXiv:1810.05723, appendix): the error's slope is 0.

    >>> [round(gaussian_clip(bits), 2) for bits in (2, 3, 4)]
    [1.71, 2.15, 2.56]
    """

    def slope(t: float) -> float:
        return t * erfc(t / np.sqrt(2)) - np.sqrt(2 / np.pi) * np.exp(-(t**2) / 2) + t / (3 * 4**bits)

    return float(brentq(slope, 0, 20))


@method("aciq", "quantization", paper="arXiv:1810.05723")
@RANGES.register("aciq")
class AnalyticClip(HistogramEstimator):
    """The best clip for a Gaussian or a Laplace distribution, whichever fits better (Banner et al., arXiv:1810.05723).

    Around the mean, or around 0 for a symmetric grid. Values that are never negative, as after a relu, are taken for
    the positive half of a distribution around 0; zeros tell nothing then, and the levels, all on one side, count as
    one bit more. Cut to the values seen.
    """

    def _observe(self, rows: Tensor) -> None:
        super()._observe(rows)
        exact = rows.double()
        moments = torch.stack(
            [torch.full((len(rows),), rows.shape[1]), (exact > 0).sum(1), exact.sum(1), (exact**2).sum(1)]
        ).double()
        self._moments = self._moments + moments if self._seen else moments

    def _range(self) -> tuple[Tensor, Tensor]:
        count, positive, total, squares = self._moments.numpy()
        one_sided = self.low.numpy() >= 0
        count = np.where(one_sided, np.maximum(positive, 1), count)
        centre = np.where(one_sided | self.grid.symmetric, 0, total / count)
        deviation = np.sqrt(np.maximum(squares / count - centre**2, 0))
        distance = (self.histogram.counts * np.abs(self.histogram.centres - centre[:, None])).sum(axis=1)
        mean_distance = np.where(one_sided, total, distance) / count
        extra_bit = one_sided & (not self.grid.symmetric)
        bits = self.grid.bits
        laplace = np.where(extra_bit, laplace_clip(bits + 1), laplace_clip(bits)) * mean_distance
        gaussian = np.where(extra_bit, gaussian_clip(bits + 1), gaussian_clip(bits)) * deviation
        clip = np.where(mean_distance < _LAPLACE_BELOW * deviation, laplace, gaussian)
        low, high = (torch.tensor(end).float() for end in (centre - clip, centre + clip))
        return torch.maximum(low, self.low), torch.minimum(high, self.high)
