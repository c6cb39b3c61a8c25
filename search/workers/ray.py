"""Candidates as Ray tasks, one core each."""

import logging
import os
from collections.abc import Iterator, Sequence

from search.scores import Score, ScoreTask, score_by_training
from zoo.data import Splits


class RayWorkers:
    """Scores tasks in `workers` processes of a local Ray, or on the cluster at `address`."""

    def __init__(self, data: Splits, workers: int, address: str | None = None) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray = ray
        self._owns = not ray.is_initialized()
        if self._owns:
            local = {} if address else {"num_cpus": workers, "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
        self._data = ray.put(data)
        # a worker that dies takes its task along: Ray hands it to another
        self._score = ray.remote(num_cpus=1, max_retries=2)(_score_single_threaded)

    def scores(self, tasks: Sequence[ScoreTask]) -> Iterator[Score]:
        """Yield the score of each task as it is done, in any order."""
        waiting = {self._score.remote(task, self._data): task for task in tasks}
        while waiting:
            (done, *_), _ = self._ray.wait(list(waiting), num_returns=1)
            task = waiting.pop(done)
            try:
                yield self._ray.get(done)
            except self._ray.exceptions.RayError as error:
                reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                yield Score(task.trial, None, 0, 0, 0.0, reason)

    def close(self) -> None:
        """Stop Ray if it was started here."""
        if self._owns:
            self._ray.shutdown()


def _score_single_threaded(task: ScoreTask, data: Splits) -> Score:
    import torch

    torch.set_num_threads(1)
    return score_by_training(task, data)
