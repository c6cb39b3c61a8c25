"""Whose trials are whose: several processes work on one study, and any of them may vanish.

A process signs the trials that it scores and renews a lease on them. A trial whose process is known to be dead, or
whose lease was not renewed for a while, belongs to whoever takes it over. An observer times leases with its own
clock, so the clocks of machines need not agree.
"""

import os
import socket
import threading
import time
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

RENEW_SECONDS = 10.0
LEASE_SECONDS = 60.0
_UNSIGNED_SECONDS = 5.0  # between asking for a trial and signing it

OWNER, LEASE = "owner", "lease"


class Ownership:
    """The trials of this process in a study; a context in which their leases are renewed."""

    def __init__(self, study: optuna.Study, lease_seconds: float = LEASE_SECONDS) -> None:
        self.me = _identity(os.getpid())
        self._storage, self._lease_seconds = study._storage, lease_seconds
        self._mine: dict[int, int] = {}  # number of the trial -> its id in the storage
        self._seen: dict[int, tuple[object, float]] = {}  # number -> lease, and when it was first seen
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> "Ownership":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def take(self, trial: FrozenTrial | optuna.Trial) -> None:
        """Sign a trial."""
        self._mine[trial.number] = trial._trial_id
        for name, value in self.signature().items():
            self._storage.set_trial_user_attr(trial._trial_id, name, value)

    def signature(self) -> dict[str, str | float]:
        """Return what a trial of this process has among its attributes."""
        return {OWNER: self.me, LEASE: time.time()}

    def release(self, number: int) -> None:
        """Forget a trial that is finished."""
        self._mine.pop(number, None)

    def is_lost(self, trial: FrozenTrial) -> bool:
        """Return whether nobody works on a running trial any more, as far as can be told by now."""
        owner, lease = trial.user_attrs.get(OWNER, ""), trial.user_attrs.get(LEASE)
        if owner == self.me:
            return trial.number not in self._mine
        if _is_dead(owner):
            return True
        known, since = self._seen.get(trial.number, (None, 0.0))
        if known != lease or trial.number not in self._seen:
            self._seen[trial.number] = (lease, time.monotonic())
            return False
        return time.monotonic() - since > (self._lease_seconds if owner else _UNSIGNED_SECONDS)

    def _renew(self) -> None:
        while not self._ended.wait(min(RENEW_SECONDS, self._lease_seconds / 4)):
            for number, trial_id in list(self._mine.items()):
                try:
                    self._storage.set_trial_user_attr(trial_id, LEASE, time.time())
                except (UpdateFinishedTrialError, KeyError):
                    self._mine.pop(number, None)
                except (StorageInternalError, SQLAlchemyError):
                    continue  # a full disk, a server away: the search meets it too, and says so


def _identity(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_start_of(pid)}"


def _start_of(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; "" where it does not run or it cannot be told."""
    try:
        # the name of the program, in parentheses, may hold spaces
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _is_dead(owner: str) -> bool:
    """Return whether `owner` was a process of this machine that runs no more; False where that cannot be told."""
    host, _, pid = owner.rpartition(":")[0].rpartition(":")
    if not owner or host != socket.gethostname() or not Path("/proc/self/stat").exists():
        return False
    return _identity(int(pid)) != owner
