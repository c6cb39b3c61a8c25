"""Training on labels, or with a teacher."""

import copy
import dataclasses
from typing import Annotated, Literal

from pydantic import Field

from model_compression.distillation.teacher import DEFAULT_LOSS, Teacher, distillation_loss, get_teacher
from model_compression.recipe.step import STEPS, Job, Step
from model_compression.recipe.structure import Compressed
from zoo.training import LossFunction, TrainConfig, train

Epochs = Annotated[int, Field(ge=0, le=10_000)]


@STEPS.register("train")
class Train(Step):
    """Train on labels.

    Attributes:
        epochs: of the job by default.
        lr: highest learning rate, of the job by default.
    """

    step: Literal["train"] = "train"
    max_ratio: None = None
    epochs: Epochs | None = None
    lr: Annotated[float, Field(gt=0, le=10)] | None = None

    def apply(self, before: Compressed, job: Job) -> Compressed:
        """Return the network trained on."""
        network = copy.deepcopy(before.network)
        loss = self._loss(job)
        config, resolution = self.config(job), before.spec.resolution
        train(network, job.data, config, resolution=resolution, loss=loss, on_epoch=job.epochs(config.epochs))
        return dataclasses.replace(before, network=network.eval())

    def config(self, job: Job) -> TrainConfig:
        """Return how it trains."""
        given = {"epochs": self.epochs, "lr": self.lr}
        return dataclasses.replace(job.config, **{name: value for name, value in given.items() if value is not None})

    def _loss(self, job: Job) -> LossFunction | None:
        return None


@STEPS.register("distil")
class Distil(Train):
    """Train with the job's teacher.

    Attributes:
        loss: a name of `distillation.LOSSES`.
    """

    step: Literal["distil"] = "distil"  # type: ignore[assignment]
    loss: str = DEFAULT_LOSS

    def _loss(self, job: Job) -> LossFunction | None:
        return distillation_loss(trained_teacher(job), self.loss)


def trained_teacher(job: Job) -> Teacher:
    """Return the job's teacher, trained and kept in the job's folder where it was given by name."""
    if isinstance(job.teacher, Teacher):
        return job.teacher
    path, told = job.folder / "teacher.safetensors", job.epochs(job.config.epochs, "teacher's ")
    return get_teacher(job.teacher, job.data, job.config, path=path, on_epoch=told)


def fine_tune(after: Compressed, before: Compressed, epochs: int, job: Job, *, lr: float) -> Compressed:
    """Return `after` trained for some epochs to say what the network said before, on the same labels."""
    if epochs == 0:
        return after
    config = dataclasses.replace(job.config, epochs=epochs, lr=lr)
    loss = distillation_loss(Teacher("before", before.network.eval()), "kd")
    network = copy.deepcopy(after.network)
    resolution = after.spec.resolution
    train(network, job.data, config, resolution=resolution, loss=loss, on_epoch=job.epochs(epochs))
    return dataclasses.replace(after, network=network.eval())
