"""Timing one session in short batches of runs, and telling which of them other load disturbed.

Runs in the process that measures, perhaps on another machine: the standard library only.
"""

import math
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_SAMPLE_SECONDS = 0.003  # runs are timed in batches of about this length
_STOLEN_SHARE = 0.03  # of the wall time of a sample that the thread did not run
_WARM_UP_RUNS = 2
_TRIAL_RUNS = 2


class Runnable(Protocol):
    """Anything that can be timed."""

    def run(self) -> None:
        """Do what is timed."""


@dataclass(frozen=True)
class Sample:
    """One timed batch of runs: milliseconds of one run, and whether other load disturbed it."""

    ms: float
    disturbed: bool


class Timer:
    """Times one session in batches long enough for the clock.

    Args:
        single_thread: the session computes in the calling thread alone, whose own time then shows disturbances.
    """

    def __init__(
        self, session: Runnable, *, single_thread: bool = True, sample_seconds: float = _SAMPLE_SECONDS
    ) -> None:
        self._run, self._single_thread = session.run, single_thread
        for _ in range(_WARM_UP_RUNS):
            self._run()
        # the quickest of some runs: one that other load made slow would make the batches too short for the clock
        seconds = min(self._seconds() for _ in range(_TRIAL_RUNS))
        self.batch = max(1, math.ceil(sample_seconds / max(seconds, 1e-7)))

    def warm(self) -> None:
        """Run once, untimed: another session was here before and left cold caches."""
        self._run()

    def _seconds(self) -> float:
        started = time.perf_counter()
        self._run()
        return time.perf_counter() - started

    def sample(self) -> Sample:
        """Time one batch."""
        switches, stolen = _involuntary_switches(), _stolen_ticks()
        cpu, wall = time.thread_time(), time.perf_counter()
        for _ in range(self.batch):
            self._run()
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        disturbed = _involuntary_switches() > switches or _stolen_ticks() > stolen
        if self._single_thread:
            disturbed |= cpu < wall * (1 - _STOLEN_SHARE)
        return Sample(wall * 1000 / self.batch, disturbed)


def _involuntary_switches() -> int:
    # RUSAGE_THREAD is Linux only; elsewhere those of the process
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nivcsw


def _stolen_ticks() -> int:
    """Return the time that the hypervisor gave to others, in ticks of the kernel; 0 where it does not tell."""
    try:
        return int(Path("/proc/stat").read_bytes().split(b"\n", 1)[0].split()[8])
    except (OSError, IndexError, ValueError):
        return 0
