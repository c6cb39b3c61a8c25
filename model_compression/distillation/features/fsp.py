"""The flow of the solution procedure: how one stage's channels go with the next one's."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, FeatureLoss, Features, Shapes, regressors
from model_compression.methods import method


@method("fsp", "distillation", paper="Yim et al., CVPR 2017")
@FEATURE_LOSSES.register("fsp")
class FlowLoss(FeatureLoss):
    """Mean squared difference of Gram matrices between adjacent stages (Yim et al., CVPR 2017, equations 1 and 2).

    Where channels differ the student's maps pass a 1x1 convolution.
    """

    weight = 50.0
    min_maps = 2

    def __init__(self, student: Shapes, teacher: Shapes) -> None:
        super().__init__(student, teacher)
        self.regressors = regressors(student, teacher, where_equal=False)

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        own = [regressor(m) for regressor, m in zip(self.regressors, student.maps, strict=True)]
        flows = [
            [flow(a, b) for a, b in pairwise(maps)]  # of adjacent stages
            for maps in (own, teacher.maps)
        ]
        return torch.stack([F.mse_loss(s, t) for s, t in zip(*flows, strict=True)]).mean()


def flow(first: Tensor, second: Tensor) -> Tensor:
    """(N, C, H, W) and (N, D, h, w) -> (N, C, D), the mean product over pixels; the larger map is max-pooled."""
    size = (min(first.shape[2], second.shape[2]), min(first.shape[3], second.shape[3]))
    a, b = (F.adaptive_max_pool2d(maps, size).flatten(2) for maps in (first, second))
    return a @ b.transpose(1, 2) / a.shape[2]
