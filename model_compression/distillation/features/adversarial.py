"""Adversarial distillation: a discriminator that cannot tell the student's embedding from the teacher's."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, EmbeddingLoss, Shapes
from model_compression.methods import method


@method("adversarial-distillation", "distillation", paper="arXiv:1803.10750")
@FEATURE_LOSSES.register("adversarial")
class AdversarialLoss(EmbeddingLoss):
    """Cross entropy of a small discriminator, whose gradient reaches the student reversed (arXiv:1803.10750).

    One optimizer then plays both sides (arXiv:1409.7495). At 2 log 2 the two networks cannot be told apart.
    """

    weight = 0.1

    def __init__(self, student: Shapes, teacher: Shapes, *, hidden: int = 64) -> None:
        super().__init__(student, teacher)
        self.adapter = nn.Linear(student.embedding, teacher.embedding)
        self.discriminator = nn.Sequential(
            nn.Linear(teacher.embedding, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1)
        )

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        fake = self.discriminator(_Reverse.apply(self.adapter(student)))
        real = self.discriminator(teacher)
        return F.softplus(fake).mean() + F.softplus(-real).mean()


class _Reverse(torch.autograd.Function):
    """The identity; its gradient is turned round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]
