"""Relational distillation: distances and angles between the samples of a batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, EmbeddingLoss, Shapes
from model_compression.methods import method

_EPS = 1e-12


@method("rkd", "distillation", paper="arXiv:1904.05068")
@FEATURE_LOSSES.register("rkd")
class RelationalLoss(EmbeddingLoss):
    """Huber loss of distances over their mean, and of the cosines in all triangles (arXiv:1904.05068, eq. 6 to 9)."""

    def __init__(self, student: Shapes, teacher: Shapes, *, distance: float = 25.0, angle: float = 50.0) -> None:
        super().__init__(student, teacher)
        self.distance, self.angle = distance, angle

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        return self.distance * F.smooth_l1_loss(distances(student), distances(teacher)) + self.angle * (
            F.smooth_l1_loss(angles(student), angles(teacher))
        )


def distances(embedding: Tensor) -> Tensor:
    """(N, D) -> (N, N) Euclidean distances divided by the mean of those between different samples."""
    square = embedding.pow(2).sum(1)
    gap = (square[:, None] + square[None] - 2 * embedding @ embedding.T).clamp(min=_EPS).sqrt()
    gap = gap * ~torch.eye(len(gap), dtype=torch.bool, device=gap.device)
    return gap / gap[gap > 0].mean()


def angles(embedding: Tensor) -> Tensor:
    """(N, D) -> (N, N, N): the cosine at sample i between the directions to j and k."""
    directions = F.normalize(embedding[None] - embedding[:, None], dim=2)
    return directions @ directions.transpose(1, 2)
