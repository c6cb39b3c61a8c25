"""Activation boundaries: which neurons fire, not how strongly."""

from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss, Shapes
from model_compression.methods import method


@method("ab", "distillation", paper="arXiv:1811.03233")
@FEATURE_LOSSES.register("ab")
class ActivationBoundaryLoss(MapLoss):
    """Squared hinge that puts the student's neurons on the teacher's side of zero (arXiv:1811.03233, equation 6).

    A mean over neurons where the paper sums. The student passes a 1x1 convolution and batch norm first.
    """

    def __init__(self, student: Shapes, teacher: Shapes, *, margin: float = 1.0) -> None:
        super().__init__(student, teacher)
        self.margin = margin
        self.connectors = nn.ModuleList(
            nn.Sequential(nn.Conv2d(s[0], t[0], 1, bias=False), nn.BatchNorm2d(t[0]))
            for s, t in zip(student.maps, teacher.maps, strict=True)
        )

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        return boundary_distance(self.connectors[index](student), teacher, margin=self.margin).mean()


def boundary_distance(student: Tensor, teacher: Tensor, *, margin: float) -> Tensor:
    """Return of each neuron the squared distance to `margin` on the side where the teacher's is."""
    side = (teacher > 0).float() * 2 - 1
    return (margin - side * student).relu().pow(2)
