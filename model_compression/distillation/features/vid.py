"""Variational information distillation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss, Shapes
from model_compression.methods import method

_MIN_VARIANCE, _FIRST_VARIANCE = 1e-5, 5.0


@method("vid", "distillation", paper="arXiv:1904.05835")
@FEATURE_LOSSES.register("vid")
class VariationalLoss(MapLoss):
    """Negative log likelihood of the teacher's map under a Gaussian made from the student's (arXiv:1904.05835, eq. 4).

    Its mean comes from three 1x1 convolutions, its variance is one learned number a channel (equation 6).
    """

    def __init__(self, student: Shapes, teacher: Shapes) -> None:
        super().__init__(student, teacher)
        self.means = nn.ModuleList(_mean(s[0], t[0]) for s, t in zip(student.maps, teacher.maps, strict=True))
        first = math.log(math.exp(_FIRST_VARIANCE - _MIN_VARIANCE) - 1)  # the inverse of softplus
        self.scales = nn.ParameterList(torch.full((t[0],), first) for t in teacher.maps)

    def variance(self, index: int) -> Tensor:
        """Return the variance of each channel of pair `index`, (C,)."""
        return F.softplus(self.scales[index]) + _MIN_VARIANCE

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        return unlikelihood(self.means[index](student), teacher, self.variance(index).view(1, -1, 1, 1))


def unlikelihood(mean: Tensor, teacher: Tensor, variance: Tensor) -> Tensor:
    """Return -log N(teacher; mean, variance) without its constant, averaged."""
    return 0.5 * ((mean - teacher).pow(2) / variance + variance.log()).mean()


def _mean(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_chans, out_chans, 1),
        nn.ReLU(),
        nn.Conv2d(out_chans, out_chans, 1),
        nn.ReLU(),
        nn.Conv2d(out_chans, out_chans, 1),
    )
