"""The loop of a search: what is scored next, and what becomes of the scores."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from search.objectives import Goal
from search.ownership import Ownership
from search.proposals import Proposer
from search.result import is_over, is_scored
from search.scores import Score, ScoreTask
from search.workers import Workers

_MOST_ATTEMPTS = 5  # at a trial whose process died each time
_WAIT_SECONDS = 1.0


class ScoringLoop:
    """Keeps the workers busy: takes over lost trials, proposes new ones, records scores, tells them in order.

    Args:
        window: trials that may be open at once; see `search.proposals`.
    """

    def __init__(
        self,
        study: optuna.Study,
        goal: Goal,
        proposer: Proposer,
        workers: Workers,
        ownership: Ownership,
        *,
        window: int,
    ) -> None:
        self._study, self._goal, self._proposer = study, goal, proposer
        self._workers, self._ownership, self._window = workers, ownership, window
        self._open: list[int] = []  # trials of this process that are not told yet, in order
        self._submitted: set[int] = set()
        self._enough = False

    def run(self, task: Callable[[FrozenTrial], ScoreTask], on_score: Callable[[], object]) -> None:
        """Return when the search has its trials, by whatever process."""
        while True:
            self._take_over_lost()
            self._fill(task)
            if not self._submitted:
                if not any(is_scored(t) for t in self._running()):
                    return
                time.sleep(_WAIT_SECONDS)  # others are still at work; should they vanish, their trials are ours
                continue
            score = self._workers.next(_WAIT_SECONDS)
            if score:
                self._submitted.discard(score.trial)
                self._record(score)
                on_score()
            if self._enough:
                self._tell_all()

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _take_over_lost(self) -> None:
        for trial in self._running():
            if not is_scored(trial) or not self._ownership.is_lost(trial):
                continue
            attempts = trial.user_attrs.get("attempts", 0) + 1
            self._study._storage.set_trial_user_attr(trial._trial_id, "attempts", attempts)
            self._ownership.take(trial)
            self._open = sorted([*self._open, trial.number])
            if attempts >= _MOST_ATTEMPTS and not is_over(trial):
                self._record(Score(trial.number, None, failure=f"the process that scored it died {attempts} times"))

    def _fill(self, task: Callable[[FrozenTrial], ScoreTask]) -> None:
        while len(self._submitted) < self._workers.capacity:
            trials = {t.number: t for t in self._running()}
            self._open = [n for n in self._open if n in trials]  # another process may have taken one and finished it
            waiting = [n for n in self._open if n not in self._submitted and not is_over(trials[n])]
            if waiting:
                self._submitted.add(waiting[0])
                self._workers.submit(task(trials[waiting[0]]))
            elif self._enough:
                self._tell_all()
                return
            elif len(self._open) >= self._window:
                if not is_over(trials[self._open[0]]):
                    return
                self._tell(trials[self._open[0]])
            else:
                trial = self._proposer.next()
                self._enough = trial is None
                if trial:
                    self._open.append(trial.number)

    def _record(self, score: Score) -> None:
        """Write a score down at once, to be told when its turn comes."""
        trial_id = self._study._storage.get_trial_id_from_study_id_trial_number(self._study._study_id, score.trial)
        found: dict[str, Any] = {"params": score.params, "macs": score.macs, "curve": list(score.curve)}
        if score.accuracy is None:
            found["reason"] = score.failure
        else:
            found |= {"accuracy": score.accuracy, "stopped": score.stopped}
        with contextlib.suppress(UpdateFinishedTrialError):  # another process took it, believing this one dead
            for name, value in (found | {"seconds": round(score.seconds, 2)}).items():
                self._study._storage.set_trial_user_attr(trial_id, name, value)

    def _tell_all(self) -> None:
        for trial in self._running():
            if trial.number in self._open and is_over(trial):
                self._tell(trial)

    def _tell(self, trial: FrozenTrial) -> None:
        known = trial.user_attrs
        if "accuracy" not in known:
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        elif known["stopped"]:
            self._study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            values = self._goal.values(known["accuracy"], known["costs"])
            self._study.tell(trial.number, values, skip_if_finished=True)
        self._open.remove(trial.number)
        self._ownership.release(trial.number)
