"""Timing of networks: adaptive, against a reference, and without the samples that other load disturbed."""

import contextlib
import math
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from latency_tables.errors import MeasurementError
from latency_tables.runtimes import InputShape, Session, get_runtime
from zoo import ArchSpec, Network, create_model, deploy

_SAMPLE_SECONDS = 0.002  # runs are timed in batches of about this length
_MIN_SAMPLES, _MAX_SAMPLES = 30, 2000
_TARGET_INTERVAL = 0.01  # of the median
_STOLEN_SHARE = 0.03  # of the wall time of a sample that the thread did not run


@dataclass(frozen=True)
class Sample:
    """One timed batch of runs: milliseconds of one run, and whether other load disturbed it."""

    ms: float
    disturbed: bool


@dataclass(frozen=True)
class Measurement:
    """Latency of one network on this machine, in milliseconds of one run.

    Attributes:
        low_ms, high_ms: 95 % confidence interval of the median.
        samples: timed batches behind the figures.
        rejected: batches left out because other load disturbed them.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    low_ms: float
    high_ms: float
    samples: int
    rejected: int


class Timer:
    """Times one session in batches long enough for the clock."""

    def __init__(self, session: Session, sample_seconds: float = _SAMPLE_SECONDS) -> None:
        self._run: Callable[[], None] = session.run
        for _ in range(3):
            self._run()
        started = time.perf_counter()
        self._run()
        self._batch = max(1, math.ceil(sample_seconds / max(time.perf_counter() - started, 1e-7)))

    def sample(self) -> Sample:
        """Time one batch."""
        switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
        cpu, wall = time.thread_time(), time.perf_counter()
        for _ in range(self._batch):
            self._run()
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        switched = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw > switches
        return Sample(wall * 1000 / self._batch, switched or cpu < wall * (1 - _STOLEN_SHARE))


def summarize(samples: Sequence[Sample]) -> Measurement:
    """Return the measurement that `samples` make; where all were disturbed, all count."""
    kept = np.array([s.ms for s in samples if not s.disturbed])
    rejected = len(samples) - len(kept)
    if not len(kept):
        kept = np.array([s.ms for s in samples])
    low, high = _median_interval(kept)
    p10, median, p90 = (float(v) for v in np.percentile(kept, (10, 50, 90)))
    return Measurement(median, p10, p90, low, high, len(kept), rejected)


def _median_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the median out of the order statistics (binomial, normal approximation)."""
    ordered, n = np.sort(values), len(values)
    half = 0.98 * math.sqrt(n)
    low, high = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))
    return float(ordered[low]), float(ordered[high])


def time_sessions(
    sessions: Sequence[Session], *, max_seconds: float = 2.0, min_samples: int = _MIN_SAMPLES
) -> list[list[Sample]]:
    """Return the samples of each session, taken in turns so that drift meets all alike.

    Goes on until every median is known to 1 % or `max_seconds` are spent.
    """
    timers = [Timer(session) for session in sessions]
    samples: list[list[Sample]] = [[] for _ in sessions]
    deadline = time.perf_counter() + max_seconds
    while len(samples[0]) < _MAX_SAMPLES:
        for timer, taken in zip(timers, samples, strict=True):
            taken.append(timer.sample())
        count = len(samples[0])
        if count >= min_samples and count % 10 == 0 and all(_is_settled(taken) for taken in samples):
            break
        if count >= 5 and time.perf_counter() > deadline:
            break
    return samples


def _is_settled(samples: Sequence[Sample]) -> bool:
    summary = summarize(samples)
    return summary.samples >= _MIN_SAMPLES and summary.high_ms - summary.low_ms < _TARGET_INTERVAL * summary.median_ms


@contextlib.contextmanager
def one_core(threads: int) -> Iterator[None]:
    """Keep a single-threaded measurement on one core; several threads run where they like."""
    if threads != 1 or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores, torch_threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {max(cores)})
    torch.set_num_threads(1)  # PyTorch's threads would wait for each other on the one core
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(torch_threads)


def measure(
    net: nn.Module | ArchSpec | str | Path,
    input_shape: InputShape | None = None,
    *,
    runtime: str = "onnxruntime",
    dtype: str = "fp32",
    threads: int = 1,
    max_seconds: float = 5.0,
) -> Measurement:
    """Time a network on this machine.

    Args:
        net: a module, a spec, the name of a zoo or `timm/` network, or the path of a model file that `runtime` loads.
        input_shape: (N, C, H, W); a spec's own resolution, or 224, with three channels by default.
        max_seconds: stop there even if the median is not yet known to 1 %.

    Raises MeasurementError where the runtime cannot run it, RuntimeUnavailableError where it is not installed.
    """
    backend = get_runtime(runtime, dtype)
    with one_core(threads):
        if isinstance(net, Path) or (isinstance(net, str) and net.endswith(".onnx")):
            if not Path(net).is_file():
                raise MeasurementError(f"no model file {str(net)!r}")
            session = backend.load(str(net), threads=threads)
        else:
            module, shape = _as_module(net, input_shape)
            session = backend.prepare(module, shape, dtype=dtype, threads=threads)
        return summarize(time_sessions([session], max_seconds=max_seconds)[0])


def _as_module(net: nn.Module | ArchSpec | str | Path, shape: InputShape | None) -> tuple[nn.Module, InputShape]:
    chans = shape[1] if shape else 3
    if isinstance(net, ArchSpec):
        net = net.build(in_chans=chans)
    elif not isinstance(net, nn.Module):
        net = create_model(str(net), in_chans=chans)
    if not isinstance(net, Network):
        return net, shape or (1, 3, 224, 224)
    return deploy(net), shape or (1, net.in_chans, net.spec.resolution, net.spec.resolution)
