"""Distillation from a stronger teacher: scores shall correlate with the teacher's, not equal them."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation import LOSSES
from model_compression.methods import method


@method("dist", "distillation", paper="arXiv:2205.10536")
@LOSSES.register("dist")
def dist_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> Tensor:
    """Return CE + T^2 (beta (1 - correlation within a sample) + gamma (1 - correlation within a class)).

    Pearson correlations of the probabilities, over (N, classes) scores (Huang et al., arXiv:2205.10536, equations 7
    to 10).
    """
    p, q = (F.softmax(scores / temperature, dim=1) for scores in (student, teacher))
    relation = beta * (1 - _correlation(p, q)) + gamma * (1 - _correlation(p.T, q.T))
    return F.cross_entropy(student, labels) + temperature**2 * relation


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Mean over rows of Pearson's coefficient."""
    a, b = (rows - rows.mean(1, keepdim=True) for rows in (a, b))
    return F.cosine_similarity(a, b).mean()
