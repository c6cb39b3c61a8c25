"""What all losses of features share: the data they see, and how maps of two networks are brought to one size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.errors import DistillationError
from zoo.registry import Registry


@dataclass(frozen=True)
class Shapes:
    """Shapes of one network's features: maps (C, H, W), early to late, and the length of its embedding."""

    maps: tuple[tuple[int, int, int], ...]
    embedding: int


@dataclass(frozen=True)
class Features:
    """What one network made of a batch.

    Attributes:
        maps: (N, C, H, W) at the end of each stage, early to late.
        embedding: (N, D), what its classifier saw.
    """

    maps: Sequence[Tensor]
    embedding: Tensor


class FeatureLoss(nn.Module):
    """(student's features, teacher's features, labels) -> scalar; its own weights are trained with the student.

    Attributes:
        weight: beside the loss of the scores, by default.
        min_maps: pairs of feature maps that it needs.
    """

    weight: ClassVar[float] = 1.0
    min_maps: ClassVar[int] = 0

    def __init__(self, student: Shapes, teacher: Shapes) -> None:
        super().__init__()
        if len(student.maps) != len(teacher.maps):
            raise DistillationError(
                f"{len(student.maps)} feature maps of the student and {len(teacher.maps)} of the teacher; "
                "name as many layers of each"
            )
        if len(student.maps) < self.min_maps:
            raise DistillationError(
                f"{type(self).__name__} needs {self.min_maps} pairs of feature maps, got {len(student.maps)}; "
                "name more layers or use larger images"
            )

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        raise NotImplementedError


class MapLoss(FeatureLoss):
    """The mean over pairs of feature maps, each pair pooled to the smaller of its two sizes."""

    min_maps = 1

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of pair `index`: (N, C, H, W) and (N, D, H, W) -> scalar."""
        raise NotImplementedError

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        pairs = zip(student.maps, teacher.maps, strict=True)
        return torch.stack([self.compare(i, *same_size(s, t)) for i, (s, t) in enumerate(pairs)]).mean()


class EmbeddingLoss(FeatureLoss):
    """A loss of embeddings alone."""

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of embeddings: (N, C) and (N, D) -> scalar."""
        raise NotImplementedError

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        return self.compare(student.embedding, teacher.embedding)


def same_size(*maps: Tensor) -> list[Tensor]:
    """Return maps averaged down to the height and width of the smallest."""
    size = (min(m.shape[2] for m in maps), min(m.shape[3] for m in maps))
    return [m if m.shape[2:] == size else F.adaptive_avg_pool2d(m, size) for m in maps]


def regressors(student: Shapes, teacher: Shapes, *, where_equal: bool = True) -> nn.ModuleList:
    """Return for each pair a 1x1 convolution from the student's to the teacher's channels.

    `where_equal=False`: maps with equal channels are left as they are.
    """
    channels = [(s[0], t[0]) for s, t in zip(student.maps, teacher.maps, strict=True)]
    return nn.ModuleList(nn.Conv2d(s, t, 1) if where_equal or s != t else nn.Identity() for s, t in channels)


def projection(student: int, teacher: int) -> nn.Module:
    """Return a linear layer between embeddings, or nothing where their lengths are equal."""
    return nn.Identity() if student == teacher else nn.Linear(student, teacher)


FEATURE_LOSSES: Registry[type[FeatureLoss]] = Registry("feature loss", "model_compression.distillation.features")
