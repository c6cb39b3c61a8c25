"""Probabilistic knowledge transfer: who is near whom in a batch."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, EmbeddingLoss
from model_compression.methods import method

_EPS = 1e-7


@method("pkt", "distillation", paper="arXiv:1803.10837")
@FEATURE_LOSSES.register("pkt")
class ProbabilisticLoss(EmbeddingLoss):
    """Divergence of the chances that one sample picks another as its neighbour (arXiv:1803.10837, equations 3 to 6).

    The chances are cosine similarities brought to 0..1 and to a sum of 1.
    """

    weight = 30000.0

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        p, q = neighbours(teacher), neighbours(student)
        return (p * ((p + _EPS) / (q + _EPS)).log()).mean()


def neighbours(embedding: Tensor) -> Tensor:
    """(N, D) -> (N, N), rows that sum to 1."""
    unit = F.normalize(embedding, eps=_EPS)
    similarity = (unit @ unit.T + 1) / 2
    return similarity / similarity.sum(1, keepdim=True)
