"""Candidates as Ray tasks, one core each."""

import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from search.early_stopping import EarlyStopping
from search.errors import SearchError
from search.scores import Score, ScoreTask, score
from zoo.data import Splits
from zoo.errors import first_line

_RETRIES = 3  # of a task whose worker or node vanished
_ANSWER_SECONDS = 10.0
_GRACE_SECONDS = 30.0  # beyond its own limit, before a task is taken to hang


class RayWorkers:
    """Scores tasks in `workers` processes of a local Ray, or on the cluster at `address`.

    Args:
        stopping: arguments of `EarlyStopping`, which all the workers ask.

    Raises SearchError in one line where the cluster cannot be joined.
    """

    def __init__(
        self,
        data: Splits,
        workers: int,
        address: str | None = None,
        *,
        stopping: tuple[str, int, Sequence[Sequence[float]]] = ("none", 1, ()),
    ) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self.capacity = workers
        self._ray = ray
        self._owns = not ray.is_initialized()
        if self._owns:
            # "local": another's cluster on this machine would be joined otherwise
            own = {"address": "local", "num_cpus": workers, "include_dashboard": False}
            where = {"address": address} if address else own
            _check_answers(address)
            try:
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
            except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                raise SearchError(
                    f"cannot join the Ray cluster at {address or 'local'}: {first_line(error)}; are "
                    "RAY_AUTH_MODE and Ray's token the same here and there?"
                ) from None
        self._data = ray.put(data)
        # where all go on there is nobody to ask
        self._stopping = ray.remote(num_cpus=0)(EarlyStopping).remote(*stopping) if stopping[0] != "none" else None
        self._score = ray.remote(num_cpus=1, max_retries=_RETRIES)(_score_single_threaded)
        self._running: dict[Any, tuple[ScoreTask, float]] = {}

    def submit(self, task: ScoreTask) -> None:
        """Take one task more."""
        self._running[self._score.remote(task, self._data, self._stopping)] = (task, time.monotonic())

    def next(self, timeout_seconds: float) -> Score | None:
        """Return the score of a task that is done; None where none was in time."""
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout_seconds)
        if not done:
            return self._hanging()
        task, _ = self._running.pop(done[0])
        try:
            return self._ray.get(done[0])
        except self._ray.exceptions.RayError as error:
            return Score(task.trial, None, failure=f"{type(error).__name__}: {first_line(error)}")

    def _hanging(self) -> Score | None:
        for future, (task, since) in self._running.items():
            if task.max_seconds and time.monotonic() - since > task.max_seconds + _GRACE_SECONDS:
                self._ray.cancel(future, force=True)
                del self._running[future]
                return Score(task.trial, None, failure=f"TimeoutError: it hung after {task.max_seconds:g} seconds")
        return None

    def close(self) -> None:
        """Stop Ray if it was started here, else the tasks that still run."""
        if self._owns:
            self._ray.shutdown()
            return
        for future in self._running:
            self._ray.cancel(future, force=True)


def _check_answers(address: str | None) -> None:
    """Raise SearchError where nobody listens at HOST:PORT: Ray itself ends this process then, after a long wait."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise SearchError(f"cannot join the Ray cluster at {address}: {first_line(error)}; is it up?") from None


def _score_single_threaded(task: ScoreTask, data: Splits, stopping: Any) -> Score:
    import ray
    import torch

    torch.set_num_threads(1)

    def report(epoch: int, accuracy: float) -> bool:
        if stopping is None:
            return True
        try:
            return ray.get(stopping.goes_on.remote(task.trial, epoch, accuracy))
        except ray.exceptions.RayError:  # the one to ask is gone: that is no fault of this candidate
            return True

    return score(task, data, report)
