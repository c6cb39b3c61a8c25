"""Several teachers: what each says is mixed into one target."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.layers import Tap, find_layers
from model_compression.distillation.teacher import Teacher
from model_compression.errors import DistillationError
from model_compression.methods import method
from zoo.errors import unknown_name

Weighting = Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor]


@method("multi-teacher-average", "distillation", paper="You et al., KDD 2017")
def average(scores: Tensor, labels: Tensor, embeddings: Sequence[Tensor]) -> Tensor:
    """Return equal weights (K, N) of K teachers, whose scores are (K, N, classes)."""
    return torch.full(scores.shape[:2], 1 / len(scores), device=scores.device)


@method("ca-mkd", "distillation", paper="arXiv:2201.00007")
def confidence(scores: Tensor, labels: Tensor, embeddings: Sequence[Tensor]) -> Tensor:
    """Return weights (K, N): a teacher counts the less the larger its cross entropy of the sample is.

    (1 - softmax of the cross entropies) / (K - 1), CA-MKD (arXiv:2201.00007, equation 2).
    """
    if len(scores) == 1:
        return average(scores, labels, embeddings)
    losses = torch.stack([F.cross_entropy(s, labels, reduction="none") for s in scores])
    return (1 - losses.softmax(0)) / (len(scores) - 1)


@method("graph-multi-teacher", "distillation", paper="Zhang and Peng, IJCAI 2018")
def graph(scores: Tensor, labels: Tensor, embeddings: Sequence[Tensor]) -> Tensor:
    """Return weights (K, N): a teacher counts the more the better it agrees with the others.

    Teachers are the nodes of two graphs, after Zhang and Peng (IJCAI 2018, 10.24963/ijcai.2018/158). Edges of the logit
    graph are exp(-divergence of the probabilities), those of the representation graph the linear alignment of the
    embeddings (CKA, arXiv:1905.00414). A node's weight is its share of all edges, averaged over the graphs.
    """
    log_p = F.log_softmax(scores, dim=2)
    divergence = (log_p.exp()[:, None] * (log_p[:, None] - log_p[None])).sum(3).mean(2)
    grams = F.normalize(torch.stack([_centred_gram(e).flatten() for e in embeddings]), dim=1)
    edges = torch.stack(((-(divergence + divergence.T) / 2).exp(), (grams @ grams.T).clamp(min=0)))
    shares = edges.sum(2) / edges.sum((1, 2), keepdim=True).squeeze(2)
    return shares.mean(0)[:, None].expand(scores.shape[:2])


def _centred_gram(embedding: Tensor) -> Tensor:
    centred = embedding - embedding.mean(0)
    return centred @ centred.T


WEIGHTINGS: dict[str, Weighting] = {"average": average, "confidence": confidence, "graph": graph}


def mix(scores: Tensor, weights: Tensor, *, temperature: float) -> Tensor:
    """Return scores (N, classes) whose softened probabilities are the weighted mean of those of (K, N, classes).

    Learning from the mean has the gradient of the weighted sum of the divergences from each teacher.
    """
    log_p = F.log_softmax(scores / temperature, dim=2)
    return temperature * (log_p + weights[..., None].log()).logsumexp(0)


class SeveralTeachers:
    """Teachers whose mixed scores a student learns, as from one: `distillation_loss(SeveralTeachers([a, b]))`.

    Args:
        weighting: `average`, `confidence` (by the cross entropy of each sample) or `graph` (by agreement).
        temperature: at which probabilities are mixed, that of the loss.

    One teacher gives its own scores but for a constant, to which no loss of softened scores answers.
    """

    def __init__(self, teachers: Sequence[Teacher], weighting: str = "confidence", *, temperature: float = 2.0) -> None:
        if not teachers:
            raise DistillationError("no teacher given")
        if weighting not in WEIGHTINGS:
            raise unknown_name("weighting", weighting, WEIGHTINGS)
        self.teachers, self.weighting, self.temperature = tuple(teachers), weighting, temperature
        self._taps: list[Tap] = []

    @torch.no_grad()
    def scores(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return mixed scores (N, classes)."""
        if self.weighting == "graph" and not self._taps:
            for teacher in self.teachers:
                self._taps.append(Tap(teacher.network, find_layers(teacher.network, images.shape[1:]), owner="teacher"))
        each = [teacher.scores(images, labels) for teacher in self.teachers]
        for teacher, scores in zip(self.teachers, each, strict=True):
            if scores.shape != each[0].shape:
                raise DistillationError(
                    f"teacher {teacher.name} has {scores.shape[1]} classes, {self.teachers[0].name} {each[0].shape[1]}"
                )
        embeddings = [tap.features().embedding for tap in self._taps]
        stacked = torch.stack(each)
        weights = WEIGHTINGS[self.weighting](stacked, labels, embeddings)
        return mix(stacked, weights, temperature=self.temperature)
