"""Distillation of features beside scores, between any two networks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from model_compression.distillation import LOSSES
from model_compression.distillation.features import FEATURE_LOSSES
from model_compression.distillation.layers import Tap, find_layers
from model_compression.distillation.teacher import DEFAULT_LOSS, Teacher, check_classes
from model_compression.errors import DistillationError
from zoo.data import Splits


class FeatureDistillation(nn.Module):
    """A training loss: that of the scores, and `weight` times one of features.

    It looks into `student` while that is trained, so it serves that student alone; leaving it as a context takes its
    hooks away:

        with FeatureDistillation(student, teacher, "crd", data=data, resolution=32) as loss:
            train(student, data, config, resolution=32, loss=loss)

    Args:
        loss: a name of FEATURE_LOSSES.
        resolution: pixels at which the student sees the images; the teacher sees them at the data's own.
        weight: by default the loss's own.
        response: the loss of the scores, a name of LOSSES.
        student_layers: modules whose outputs are compared, in order, by default the last one of every resolution. The
            last stages of both networks make a pair, then the ones before.
        teacher_layers: likewise.
        settings: further arguments of the feature loss.
        seed: of the weights of its own.

    Raises UnknownNameError for losses and layers, DistillationError where the two cannot be paired.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: Teacher,
        loss: str,
        *,
        data: Splits,
        resolution: int,
        weight: float | None = None,
        response: str = DEFAULT_LOSS,
        student_layers: Sequence[str] | None = None,
        teacher_layers: Sequence[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        make, self._response = FEATURE_LOSSES.get(loss), LOSSES.get(response)
        shape, teacher_shape = ((data.in_chans, pixels, pixels) for pixels in (resolution, data.resolution))
        own, theirs = find_layers(student, shape), find_layers(teacher.network, teacher_shape)
        if student_layers is not None and teacher_layers is not None and len(student_layers) != len(teacher_layers):
            raise DistillationError(
                f"{len(student_layers)} layers of the student and {len(teacher_layers)} of the teacher; name as many"
            )
        stages = (tuple(student_layers or own.stages), tuple(teacher_layers or theirs.stages))
        pairs = min(map(len, stages))
        own, theirs = (
            replace(found, stages=s[len(s) - pairs :]) for found, s in zip((own, theirs), stages, strict=True)
        )
        self._teacher = teacher
        self._student_tap = Tap(student, own, owner="student")
        self._teacher_tap = Tap(teacher.network, theirs, owner="teacher")
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.features = make(
                    self._student_tap.shapes(shape), self._teacher_tap.shapes(teacher_shape), **(settings or {})
                )
        except BaseException:
            self.close()
            raise
        self.weight = self.features.weight if weight is None else weight

    def forward(self, scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Return the loss of the pass that gave `scores`."""
        targets = self._teacher.scores(images, labels)
        check_classes(scores, targets)
        features = self.features(self._student_tap.features(), self._teacher_tap.features(), labels)
        return self._response(scores, targets, labels) + self.weight * features

    def close(self) -> None:
        """Take the hooks away from both networks."""
        self._student_tap.close()
        self._teacher_tap.close()

    def __enter__(self) -> "FeatureDistillation":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
