"""Validation accuracy after a few epochs."""

import time
from dataclasses import dataclass

from zoo import ArchSpec, complexity
from zoo.data import Splits
from zoo.errors import first_line
from zoo.training import TrainConfig, accuracy, train


@dataclass(frozen=True)
class ScoreTask:
    """One candidate to be scored: everything a worker needs besides the data."""

    trial: int
    spec_json: str
    config: TrainConfig


@dataclass(frozen=True)
class Score:
    """What a worker found.

    Attributes:
        accuracy: on the validation images, 0..1; None where the training failed.
        failure: why it failed, "" where it did not.
    """

    trial: int
    accuracy: float | None
    params: int
    macs: int
    seconds: float
    failure: str = ""


def score_by_training(task: ScoreTask, data: Splits) -> Score:
    """Train the candidate for the few epochs of its config; a failure is part of the answer, not raised."""
    started = time.perf_counter()
    params = macs = 0
    try:
        spec = ArchSpec.from_json(task.spec_json)
        network = spec.build(data.num_classes, data.in_chans, seed=task.config.seed)
        count = complexity(network, (data.in_chans, spec.resolution, spec.resolution))
        params, macs = count.params, count.macs
        train(network, data, task.config, resolution=spec.resolution)
        value = accuracy(network, data.val, data, spec.resolution)
    except Exception as error:  # whatever one candidate does, the others go on
        reason = f"{type(error).__name__}: {first_line(error)}"
        return Score(task.trial, None, params, macs, time.perf_counter() - started, reason)
    return Score(task.trial, value, params, macs, time.perf_counter() - started)
