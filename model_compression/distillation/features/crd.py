"""Contrastive representation distillation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, FeatureLoss, Features, Shapes
from model_compression.methods import method


@method("crd", "distillation", paper="arXiv:1910.10699")
@FEATURE_LOSSES.register("crd")
class ContrastiveLoss(FeatureLoss):
    """The student's embedding of an image shall be nearest to the teacher's of that image (arXiv:1910.10699, eq. 18).

    Negatives are the teacher's embeddings of other classes in the batch and in a queue of past batches; the paper keeps
    one of every training image. InfoNCE in place of its binary form.

    Args:
        chans: of the space in which both are compared.
        queue: past embeddings that are kept.
    """

    weight = 0.8

    def __init__(
        self, student: Shapes, teacher: Shapes, *, chans: int = 128, queue: int = 1024, temperature: float = 0.07
    ) -> None:
        super().__init__(student, teacher)
        self.temperature, self.limit = temperature, queue
        self.student_head = nn.Linear(student.embedding, chans)
        self.teacher_head = nn.Linear(teacher.embedding, chans)
        self.register_buffer("past", torch.empty(0, teacher.embedding), persistent=False)
        self.register_buffer("past_labels", torch.empty(0, dtype=torch.long), persistent=False)

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        keys, key_labels = torch.cat((teacher.embedding, self.past)), torch.cat((labels, self.past_labels))
        queries = F.normalize(self.student_head(student.embedding))
        loss = contrast(queries, F.normalize(self.teacher_head(keys)), labels, key_labels, self.temperature)
        if self.training:
            self.past, self.past_labels = keys[: self.limit].detach(), key_labels[: self.limit]
        return loss


def contrast(queries: Tensor, keys: Tensor, labels: Tensor, key_labels: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE of (N, C) against (M, C), key i that of query i; other keys of its class are left out."""
    scores = queries @ keys.T / temperature
    positive = torch.arange(len(queries), device=queries.device)
    same_class = labels[:, None] == key_labels[None]
    same_class[positive, positive] = False
    return F.cross_entropy(scores.masked_fill(same_class, -torch.inf), positive)
