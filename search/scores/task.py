"""What a worker is given and what it finds."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from zoo import ArchSpec, complexity
from zoo.data import Splits
from zoo.errors import first_line
from zoo.registry import Registry
from zoo.training import TrainConfig

# (epoch from 1, accuracy on the validation images, 0..1) -> whether to go on
Report = Callable[[int, float], bool]


@dataclass(frozen=True)
class ScoreTask:
    """One candidate to be scored: everything a worker needs besides the data.

    Attributes:
        score: name of the score in `SCORES`.
        max_seconds: after which the scoring has failed.
        supernet: path of the trained supernet, for the score that inherits its weights.
    """

    trial: int
    spec_json: str
    config: TrainConfig
    score: str = "training"
    max_seconds: float | None = None
    supernet: str = ""

    def deadline(self) -> Callable[[], None]:
        """Return a function that raises TimeoutError once `max_seconds` have passed since now."""
        ends = time.monotonic() + (self.max_seconds or float("inf"))

        def check() -> None:
            if time.monotonic() > ends:
                raise TimeoutError(f"not done within {self.max_seconds:g} seconds")

        return check


@dataclass(frozen=True)
class Score:
    """What a worker found.

    Attributes:
        accuracy: on the validation images, 0..1; None where the scoring failed.
        curve: accuracy after each epoch.
        stopped: whether it was stopped early, as it was not worth going on.
        failure: why it failed, "" where it did not.
    """

    trial: int
    accuracy: float | None
    params: int = 0
    macs: int = 0
    seconds: float = 0.0
    curve: tuple[float, ...] = ()
    stopped: bool = False
    failure: str = ""


class StoppedEarly(Exception):
    """Raised by a score whose report was answered with no."""


ScoreFunction = Callable[[ArchSpec, ScoreTask, Splits, Report], float]
SCORES: Registry[ScoreFunction] = Registry("score", "search.scores")


@dataclass
class _Curve:
    report: Report
    values: list[float] = field(default_factory=list)

    def __call__(self, epoch: int, accuracy: float) -> bool:
        self.values.append(accuracy)
        return self.report(epoch, accuracy)


def score(task: ScoreTask, data: Splits, report: Report = lambda epoch, accuracy: True) -> Score:
    """Score the candidate of `task`; a failure is part of the answer, not raised.

    `report` is told the accuracy after each epoch and answers whether to go on.
    """
    started = time.perf_counter()
    curve, params, macs = _Curve(report), 0, 0
    accuracy, stopped, failure = None, False, ""
    try:
        spec = ArchSpec.from_json(task.spec_json)
        with torch.device("meta"):
            outline = spec.build(data.num_classes, data.in_chans)
        count = complexity(outline, (data.in_chans, spec.resolution, spec.resolution))
        params, macs = count.params, count.macs
        accuracy = SCORES.get(task.score)(spec, task, data, curve)
    except StoppedEarly:
        accuracy, stopped = curve.values[-1], True
    except Exception as error:  # whatever one candidate does, the others go on
        failure = f"{type(error).__name__}: {first_line(error)}"
    seconds = time.perf_counter() - started
    return Score(task.trial, accuracy, params, macs, seconds, tuple(curve.values), stopped, failure)
