"""Decoupled distillation: how sure the teacher is, and what it thinks of the wrong classes, weighed apart."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation import LOSSES
from model_compression.distillation.standardization import standardize
from model_compression.methods import method


@method("dkd", "distillation", paper="arXiv:2203.08679")
@LOSSES.register("dkd")
def dkd_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float = 4.0,
    alpha: float = 1.0,
    beta: float = 8.0,
    weight: float = 1.0,
    standardized: bool = False,
) -> Tensor:
    """Return CE(student, labels) + weight T^2 (alpha TCKD + beta NCKD) of scores (N, classes).

    Zhao et al., arXiv:2203.08679, equation 7. `standardized`: both divergences are those of z-scores.
    """
    soft = (standardize(student), standardize(teacher)) if standardized else (student, teacher)
    target, others = decoupled_divergences(*soft, labels, temperature=temperature)
    divergence = (alpha * target + beta * others).mean()
    return F.cross_entropy(student, labels) + weight * temperature**2 * divergence


def decoupled_divergences(
    student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return TCKD and NCKD of each sample, both (N,): KL = TCKD + (1 - teacher's p of the label) NCKD (equation 5)."""
    student_pair, student_others = _decouple(student / temperature, labels)
    teacher_pair, teacher_others = _decouple(teacher / temperature, labels)
    return _divergence(student_pair, teacher_pair), _divergence(student_others, teacher_others)


def _decouple(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(N, classes) -> log of (p of the label, p of all others) (N, 2), log p among the others (N, classes - 1)."""
    is_label = F.one_hot(labels, scores.shape[1]).bool()
    others = scores[~is_label].view(len(scores), -1)
    pair = torch.stack((scores[is_label], others.logsumexp(1)), 1)
    return F.log_softmax(pair, dim=1), F.log_softmax(others, dim=1)


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(1)


LOSSES.register("dkd+ls")(partial(dkd_loss, temperature=2.0, standardized=True))
