"""A comprehensive overhaul of feature distillation: negative responses of the teacher matter only in part."""

import torch
from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss, Shapes
from model_compression.methods import method


@method("ofd", "distillation", paper="arXiv:1904.01866")
@FEATURE_LOSSES.register("ofd")
class OverhaulLoss(MapLoss):
    """Partial L2 distance to the teacher's map behind a margin ReLU (arXiv:1904.01866, equations 2, 3 and 5).

    The margin of a channel is the mean of its negative responses in the batch; maps behind a ReLU have none.
    """

    def __init__(self, student: Shapes, teacher: Shapes) -> None:
        super().__init__(student, teacher)
        self.connectors = nn.ModuleList(
            nn.Sequential(nn.Conv2d(s[0], t[0], 1, bias=False), nn.BatchNorm2d(t[0]))
            for s, t in zip(student.maps, teacher.maps, strict=True)
        )

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        return partial_distance(self.connectors[index](student), torch.maximum(teacher, margins(teacher))).mean()


def margins(teacher: Tensor) -> Tensor:
    """Return the mean negative response of each channel, (1, C, 1, 1), 0 where it has none."""
    negative = teacher.clamp(max=0)
    return negative.sum((0, 2, 3), keepdim=True) / (negative < 0).sum((0, 2, 3), keepdim=True).clamp(min=1)


def partial_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return squared differences, 0 where the student is below a teacher that is not positive."""
    return (student - teacher).pow(2) * ~((student <= teacher) & (teacher <= 0))
