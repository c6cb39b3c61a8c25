"""Timing of networks: in turns with a reference, adaptively, without the samples that other load disturbed."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from latency_tables.bench import Bench, Paired
from latency_tables.errors import MeasurementError
from latency_tables.machine import MachineState
from latency_tables.runtimes import InputShape, model_suffixes
from latency_tables.transport import UnreachableError
from zoo import ArchSpec, Network, create_model, deploy

if TYPE_CHECKING:
    from torch import nn

MIN_VISITS = 8
SAMPLES_A_VISIT = 3
_TARGET_INTERVAL = 0.01  # of the median, both sides together
_BUSY_LOAD = 0.7
_MANY_REJECTED = 0.2


@dataclass(frozen=True)
class Measurement:
    """Latency of one network on a device, in milliseconds of one run.

    Attributes:
        median_ms, p10_ms, p90_ms: quantiles of the undisturbed samples, the drift of the machine taken out: each sample
            counts by its ratio to the reference network's just before it, times the reference's own median.
        low_ms, high_ms: 95 % confidence interval of the median.
        samples: timed batches behind the figures.
        rejected: batches left out because other load disturbed them.
        cost: median in units of the reference network.
        reference_ms: median of the reference network.
        warnings: what makes the figures doubtful, one line each.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    low_ms: float
    high_ms: float
    samples: int
    rejected: int
    cost: float
    reference_ms: float
    warnings: tuple[str, ...] = ()


def summarize(samples: Sequence[Paired], *, reference_ms: float | None = None) -> Measurement:
    """Return the measurement that `samples` make; where all were disturbed, all count.

    `reference_ms` is the reference's median over more than these samples, where networks are compared.
    """
    kept = [s for s in samples if not s.disturbed]
    rejected = len(samples) - len(kept)
    kept = kept or list(samples)
    unit = float(np.median([s.reference_ms for s in kept])) if reference_ms is None else reference_ms
    ratios = np.array([s.ms / s.reference_ms for s in kept])
    low, high = _median_interval(ratios)
    p10, median, p90 = (float(v) for v in np.percentile(ratios, (10, 50, 90)))
    return Measurement(
        median_ms=median * unit,
        p10_ms=p10 * unit,
        p90_ms=p90 * unit,
        low_ms=low * unit,
        high_ms=high * unit,
        samples=len(kept),
        rejected=rejected,
        cost=median,
        reference_ms=unit,
    )


def common_reference_ms(samples: Iterable[Sequence[Paired]]) -> float:
    """Return the reference's median over the undisturbed samples of all networks: one unit to compare them in."""
    every = [s for taken in samples for s in taken]
    kept = [s.reference_ms for s in every if not s.disturbed] or [s.reference_ms for s in every]
    return float(np.median(kept)) if kept else math.nan


def _median_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the median out of the order statistics (binomial, normal approximation)."""
    ordered, n = np.sort(values), len(values)
    half = 0.98 * math.sqrt(n)
    low, high = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))
    return float(ordered[low]), float(ordered[high])


class Timed(Protocol):
    """What times networks by name: a bench, or several."""

    def visit(self, name: str, samples: int) -> list[Paired]:
        """Time `name` and a reference in turns, `samples` times each; raises MeasurementError where it fails."""
        ...


def time_in_turns(
    bench: Timed,
    names: Sequence[str],
    *,
    seconds_each: float,
    min_visits: int = MIN_VISITS,
    known: Mapping[str, Sequence[Paired]] | None = None,
    on_visit: Callable[[str, list[Paired], bool], None] | None = None,
) -> dict[str, list[Paired]]:
    """Return the samples of each network of `bench`, taken in rounds so that drift of the machine meets all alike.

    A network is left out of further rounds after `min_visits` of them if its median is known to 1 %, or once
    `seconds_each` are spent on it; one that the runtime fails on is missing from the answer.

    Args:
        known: samples of an earlier, interrupted call; these count.
        on_visit: called with a network's name, its new samples, and whether they were the last.
    """
    samples = {name: list((known or {}).get(name, ())) for name in names}
    spent = dict.fromkeys(names, 0.0)
    waiting = list(names)
    while waiting:
        for name in list(waiting):
            started = time.perf_counter()
            try:
                taken = bench.visit(name, SAMPLES_A_VISIT)
            except UnreachableError:  # no fault of the network
                raise
            except MeasurementError:
                waiting.remove(name)
                samples.pop(name)
                continue
            spent[name] += time.perf_counter() - started
            samples[name] += taken
            finished = spent[name] >= seconds_each or is_settled(samples[name], min_visits)
            if on_visit:
                on_visit(name, taken, finished)
            if finished:
                waiting.remove(name)
    return samples


def is_settled(samples: Sequence[Paired], min_visits: int = MIN_VISITS) -> bool:
    """Return whether after at least `min_visits` the median of undisturbed samples is known to 1 %."""
    if len(samples) < min_visits * SAMPLES_A_VISIT or sum(not s.disturbed for s in samples) < MIN_VISITS:
        return False
    summary = summarize(samples)
    return summary.high_ms - summary.low_ms < _TARGET_INTERVAL * summary.median_ms


def measure(
    net: "nn.Module | ArchSpec | str | Path",
    input_shape: InputShape | None = None,
    *,
    runtime: str = "onnxruntime",
    dtype: str = "fp32",
    threads: int = 1,
    max_seconds: float = 5.0,
    device: str = "local",
    limit_seconds: float = 300.0,
) -> Measurement:
    """Time a network on this machine or another.

    Args:
        net: a module, a spec, the name of a zoo or `timm/` network, or the path of a model file that `runtime` loads.
        input_shape: (N, C, H, W); a spec's own resolution, or 224, with three channels by default.
        max_seconds: stop there even if the median is not yet known to 1 %.
        device: `local`, or `ssh://[user@]host[:port][/path/of/python]`.
        limit_seconds: for the runtime to load the network; it is ended after that.

    Raises MeasurementError where the runtime cannot run it, RuntimeUnavailableError where it is not installed.
    """
    with Bench(runtime, dtype, threads, device=device, limit_seconds=limit_seconds) as bench:
        before = bench.state()
        if isinstance(net, Path) or (isinstance(net, str) and Path(net).suffix in model_suffixes()):
            bench.add_file("net", Path(net), input_shape)
        else:
            bench.add("net", *as_module(net, input_shape))
        samples = time_in_turns(bench, ["net"], seconds_each=max_seconds).get("net")
        if not samples:
            raise MeasurementError(f"{runtime} failed while it was timed")
        summary = summarize(samples)
        return dataclasses.replace(summary, warnings=tuple(doubts(summary, before, bench.state())))


def as_module(net: "nn.Module | ArchSpec | str | Path", shape: InputShape | None) -> "tuple[nn.Module, InputShape]":
    """Return the module of a spec or a name, in the form that is shipped, and the shape of its input."""
    chans = shape[1] if shape else 3
    if isinstance(net, ArchSpec):
        net = net.build(in_chans=chans)
    elif isinstance(net, (str, Path)):
        net = create_model(str(net), in_chans=chans)
    if not isinstance(net, Network):
        return net, shape or (1, 3, 224, 224)
    return deploy(net), shape or (1, net.in_chans, net.spec.resolution, net.spec.resolution)


def doubts(measured: Measurement, before: MachineState, after: MachineState) -> list[str]:
    """Return what makes a measurement doubtful, one line each."""
    found = []
    if before.load > _BUSY_LOAD:
        found.append(f"the machine was busy before it began (load {before.load:.1f})")
    if after.governor not in ("performance", "unknown"):
        found.append(f"the clock's governor is {after.governor!r}: 'performance' gives steadier times")
    if after.throttled > before.throttled:
        found.append("the processor was throttled for its temperature meanwhile")
    total = measured.samples + measured.rejected
    if measured.rejected > _MANY_REJECTED * total:
        found.append(f"other load disturbed {measured.rejected} of {total} samples")
    if measured.high_ms - measured.low_ms > _TARGET_INTERVAL * measured.median_ms:
        width = (measured.high_ms - measured.low_ms) / measured.median_ms
        found.append(f"the median is known to {width:.1%} only; more seconds would narrow it")
    return found
