"""Embedding matching: what the classifiers see."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, EmbeddingLoss, Shapes, projection
from model_compression.methods import method


@method("feature-embedding", "distillation", paper="arXiv:1812.06597")
@FEATURE_LOSSES.register("embedding")
class MatchingLoss(EmbeddingLoss):
    """Mean squared error of embeddings, the student's by a linear layer where lengths differ (arXiv:1812.06597)."""

    def __init__(self, student: Shapes, teacher: Shapes) -> None:
        super().__init__(student, teacher)
        self.projection = projection(student.embedding, teacher.embedding)

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        return F.mse_loss(self.projection(student), teacher)
