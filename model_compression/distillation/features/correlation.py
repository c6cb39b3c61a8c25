"""Correlation congruence: the kernel matrix of a batch."""

import math

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, EmbeddingLoss, Shapes
from model_compression.methods import method


@method("cc", "distillation", paper="arXiv:1904.01802")
@FEATURE_LOSSES.register("cc")
class CorrelationLoss(EmbeddingLoss):
    """Mean squared difference of Gaussian kernel matrices of normalised embeddings (arXiv:1904.01802, eq. 6, 8, 10).

    Args:
        gamma: width of the kernel exp(-gamma |x - y|^2).
        order: of its Taylor series.
    """

    weight = 10.0

    def __init__(self, student: Shapes, teacher: Shapes, *, gamma: float = 0.4, order: int = 2) -> None:
        super().__init__(student, teacher)
        self.gamma, self.order = gamma, order

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        return F.mse_loss(self.kernel(F.normalize(student)), self.kernel(F.normalize(teacher)))

    def kernel(self, unit: Tensor) -> Tensor:
        """(N, D) of length 1 -> (N, N), the first terms of exp(-2 gamma) exp(2 gamma x.y)."""
        product = 2 * self.gamma * unit @ unit.T
        series = sum((product**p / math.factorial(p) for p in range(1, self.order + 1)), 1 + 0 * product)
        return math.exp(-2 * self.gamma) * series
