"""Distilling knowledge via knowledge review: early stages of the teacher guide later ones of the student."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, FeatureLoss, Features, Shapes
from model_compression.methods import method


@method("reviewkd", "distillation", paper="arXiv:2104.09044")
@FEATURE_LOSSES.register("reviewkd")
class ReviewLoss(FeatureLoss):
    """Hierarchical context loss of maps fused from the deepest stage upwards (arXiv:2104.09044, equation 8, figure 3).

    Args:
        chans: of the maps that are fused.
    """

    min_maps = 1

    def __init__(self, student: Shapes, teacher: Shapes, *, chans: int = 64) -> None:
        super().__init__(student, teacher)
        deepest = len(student.maps) - 1
        self.fusions = nn.ModuleList(
            _Fusion(s[0], chans, t[0], fuse=i < deepest)
            for i, (s, t) in enumerate(zip(student.maps, teacher.maps, strict=True))
        )

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        fused, total = None, torch.zeros((), device=labels.device)
        for fusion, own, target in reversed(list(zip(self.fusions, student.maps, teacher.maps, strict=True))):
            fused, output = fusion(own, fused, target.shape[2:])
            total = total + context_distance(output, target)
        return total / len(self.fusions)


class _Fusion(nn.Module):
    """The attention based fusion: one stage's map and the fused later ones, weighed at each pixel."""

    def __init__(self, in_chans: int, chans: int, out_chans: int, *, fuse: bool) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(in_chans, chans, 1, bias=False), nn.BatchNorm2d(chans))
        self.attention = nn.Conv2d(2 * chans, 2, 1) if fuse else None
        self.expand = nn.Sequential(nn.Conv2d(chans, out_chans, 3, padding=1, bias=False), nn.BatchNorm2d(out_chans))

    def forward(self, own: Tensor, later: Tensor | None, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        own = F.interpolate(self.squeeze(own), size=tuple(size))
        if self.attention is not None and later is not None:
            later = F.interpolate(later, size=tuple(size))
            share = self.attention(torch.cat((own, later), 1)).sigmoid()
            own = own * share[:, :1] + later * share[:, 1:]
        return own, self.expand(own)


def context_distance(student: Tensor, teacher: Tensor, sizes: Sequence[int] = (4, 2, 1)) -> Tensor:
    """Return the mean squared error of equal maps, whole and averaged to `sizes` with half the weight each time."""
    total, weight, weights = F.mse_loss(student, teacher), 1.0, 1.0
    for size in sizes:
        if size < student.shape[2]:
            weight /= 2
            total = total + weight * F.mse_loss(*(F.adaptive_avg_pool2d(maps, size) for maps in (student, teacher)))
            weights += weight
    return total / weights
