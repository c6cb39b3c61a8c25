"""Teachers: any network of the zoo or of timm, trained on the data first and kept in a file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from model_compression.distillation import LOSSES
from model_compression.weights import load_weights, save_weights
from zoo import create_model
from zoo.data import Splits
from zoo.training import Epoch, LossFunction, TrainConfig, train

DEFAULT_TEACHER = "timm/resnet10t"


@dataclass(frozen=True)
class Teacher:
    """A trained network and the name it was made by."""

    name: str
    network: nn.Module


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


def distillation_loss(teacher: Teacher, loss: str = "kd", **settings: float) -> LossFunction:
    """Return a training loss in which `teacher` sees the student's images at the data's own resolution."""
    function = LOSSES.get(loss)

    def compute(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            targets = teacher.network(images)
        return function(scores, targets, labels, **settings)

    return compute
