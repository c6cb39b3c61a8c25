"""Latency of a network before and after a step, as the runtime that ships it takes it."""

import contextlib
from collections.abc import Sequence
from typing import Protocol

from torch import nn

from latency_tables.bench import Bench
from latency_tables.errors import MeasurementError
from latency_tables.measurement import common_reference_ms, summarize, time_in_turns
from latency_tables.runtimes import InputShape
from model_compression.export.formats import SideBySide
from model_compression.recipe.judgement import Interval
from model_compression.recipe.structure import Compressed


class Stopwatch(Protocol):
    """What tells how long networks take."""

    def times(self, networks: Sequence[nn.Module], shape: InputShape) -> list[float]:
        """Return milliseconds of one run of each, in the number format that ships."""
        ...

    def compare(self, before: Compressed, after: Compressed, shape: InputShape) -> tuple[Interval, Interval]:
        """Return the latencies before and after a step, taken in turns."""
        ...


class MeasuredLatency:
    """Networks exported to a runtime, loaded side by side and timed in turns.

    Args:
        dtype: in which float networks are compared, as they will ship: pruned channels pay otherwise in int8.
        seconds_each: spent on a network at most.
    """

    def __init__(self, runtime: str, dtype: str, threads: int = 1, *, seconds_each: float = 3.0) -> None:
        self.runtime, self.dtype, self.threads, self.seconds_each = runtime, dtype, threads, seconds_each

    def times(self, networks: Sequence[nn.Module], shape: InputShape) -> list[float]:
        """Return milliseconds of one run of each network; raises MeasurementError where the runtime takes one not."""
        with Bench(self.runtime, self.dtype, self.threads) as bench:
            names = [str(number) for number in range(len(networks))]
            for name, network in zip(names, networks, strict=True):
                bench.add(name, network, shape)
            samples = time_in_turns(bench, names, seconds_each=self.seconds_each)
        missing = [name for name in names if name not in samples]
        if missing:
            raise MeasurementError(f"{self.runtime} {self.dtype} failed while network {missing[0]} was timed")
        pace = common_reference_ms(samples.values())
        return [summarize(samples[name], reference_ms=pace).median_ms for name in names]

    def compare(self, before: Compressed, after: Compressed, shape: InputShape) -> tuple[Interval, Interval]:
        """Return the medians before and after with their intervals; raises MeasurementError."""
        names, benches = ("before", "after"), {}
        with contextlib.ExitStack() as stack:
            for name, state in zip(names, (before, after), strict=True):
                dtype = self.dtype if after.file is None else state.dtype
                bench = stack.enter_context(Bench(self.runtime, dtype, self.threads))
                if state.file is None:
                    bench.add("net", state.network, shape)
                else:
                    bench.add_file("net", state.file, shape)
                benches[name] = bench
            samples = time_in_turns(SideBySide(benches), names, seconds_each=self.seconds_each)
        missing = [name for name in names if name not in samples]
        if missing:
            raise MeasurementError(f"{self.runtime} failed while the network {missing[0]} the step was timed")
        pace = common_reference_ms(samples.values())
        found = [summarize(samples[name], reference_ms=pace) for name in names]
        first, second = (Interval(value=m.median_ms, low=m.low_ms, high=m.high_ms) for m in found)
        return first, second
