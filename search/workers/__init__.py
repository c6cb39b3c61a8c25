"""Who scores the candidates: this process, or Ray tasks."""

from collections.abc import Sequence
from typing import Protocol

from search.early_stopping import EarlyStopping
from search.scores import Score, ScoreTask
from search.workers.in_process import InProcess
from search.workers.ray import RayWorkers
from zoo.data import Splits


class Workers(Protocol):
    """Takes tasks and gives back their scores, in any order.

    Attributes:
        capacity: tasks that it works on at once.
    """

    capacity: int

    def submit(self, task: ScoreTask) -> None:
        """Take one task more."""

    def next(self, timeout_seconds: float) -> Score | None:
        """Return the score of a task that is done; None where none was in time."""

    def close(self) -> None:
        """Give back what was taken."""


def start_workers(
    data: Splits,
    workers: int,
    ray_address: str | None,
    *,
    pruner: str,
    epochs: int,
    curves: Sequence[Sequence[float]],
) -> Workers:
    """Return this process for one worker, Ray for more or with an address; `curves` are of earlier trials."""
    if workers > 1 or ray_address:
        return RayWorkers(data, workers, ray_address, stopping=(pruner, epochs, curves))
    return InProcess(data, EarlyStopping(pruner, epochs, curves))


__all__ = ["InProcess", "RayWorkers", "Workers", "start_workers"]
