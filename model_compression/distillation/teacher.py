"""Teachers: any network of the zoo or of timm, trained on the data first and kept in a file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from model_compression.distillation import LOSSES
from model_compression.errors import DistillationError
from model_compression.weights import load_weights, save_weights
from zoo import create_model
from zoo.data import Splits
from zoo.training import Epoch, LossFunction, TrainConfig, train

DEFAULT_TEACHER = "timm/resnet10t"
DEFAULT_LOSS = "dkd+ls"


class ScoreSource(Protocol):
    """A teacher, several of them, or what one said before."""

    def scores(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return class scores (N, classes) of images at the data's own resolution."""
        ...


@dataclass(frozen=True)
class Teacher:
    """A trained network and the name it was made by."""

    name: str
    network: nn.Module

    @torch.no_grad()
    def scores(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the network's class scores (N, classes)."""
        return self.network(images)


def get_teacher(
    name: str,
    data: Splits,
    config: TrainConfig,
    *,
    path: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Teacher:
    """Return network `name` trained on `data`, from `path` if an equal training left it there."""
    network = create_model(name, data.num_classes, data.in_chans, seed=config.seed)
    provenance = {
        "model": name,
        "data": data.name,
        "resolution": str(data.resolution),
        "config": json.dumps(vars(config)),
    }
    if path is not None and load_weights(network, path, provenance):
        return Teacher(name, network.eval())
    train(network, data, config, resolution=data.resolution, on_epoch=on_epoch)
    if path is not None:
        save_weights(network, path, provenance)
    return Teacher(name, network.eval())


def distillation_loss(teacher: ScoreSource, loss: str = DEFAULT_LOSS, **settings: Any) -> LossFunction:
    """Return a training loss in which `teacher` sees the student's images at the data's own resolution.

    Raises UnknownNameError, and DistillationError in training where the two have different numbers of classes.
    """
    function = LOSSES.get(loss)

    def compute(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        targets = teacher.scores(images, labels)
        check_classes(scores, targets)
        return function(scores, targets, labels, **settings)

    return compute


def check_classes(student: Tensor, teacher: Tensor) -> None:
    """Raise DistillationError unless both scores (N, classes) are of as many classes."""
    if student.shape != teacher.shape:
        raise DistillationError(
            f"the student has {student.shape[1]} classes and the teacher {teacher.shape[1]}; "
            "train the teacher on the student's data"
        )
