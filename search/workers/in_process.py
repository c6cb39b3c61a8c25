"""Candidates one after another in this process."""

from collections.abc import Iterator, Sequence

from search.scores import Score, ScoreTask, score_by_training
from zoo.data import Splits


class InProcess:
    """Scores tasks in the order given."""

    def __init__(self, data: Splits) -> None:
        self._data = data

    def scores(self, tasks: Sequence[ScoreTask]) -> Iterator[Score]:
        """Yield the score of each task as it is done."""
        for task in tasks:
            yield score_by_training(task, self._data)

    def close(self) -> None:
        """Nothing to give back."""
