"""Candidates one after another in this process."""

from collections import deque

from search.early_stopping import EarlyStopping
from search.scores import Score, ScoreTask, score
from zoo.data import Splits


class InProcess:
    """Scores tasks in the order given, when asked for the next score."""

    capacity = 1

    def __init__(self, data: Splits, stopping: EarlyStopping) -> None:
        self._data, self._stopping = data, stopping
        self._waiting: deque[ScoreTask] = deque()

    def submit(self, task: ScoreTask) -> None:
        """Take one task more."""
        self._waiting.append(task)

    def next(self, timeout_seconds: float) -> Score | None:
        """Score the task that waits longest, whatever time it takes."""
        if not self._waiting:
            return None
        task = self._waiting.popleft()
        return score(task, self._data, lambda epoch, accuracy: self._stopping.goes_on(task.trial, epoch, accuracy))

    def close(self) -> None:
        """Nothing to give back."""
