"""Latency of a network before and after a step, as the runtime that ships it takes it."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from latency_tables.bench import Bench
from latency_tables.errors import MeasurementError
from latency_tables.measurement import common_reference_ms, summarize, time_in_turns
from latency_tables.runtimes import InputShape
from model_compression.export.formats import SideBySide
from model_compression.low_rank.allocation import LayerCost
from model_compression.low_rank.layer_timer import LayerTimer
from model_compression.pruning.cost import Cost, measured_cost
from model_compression.recipe.judgement import Interval
from model_compression.recipe.structure import Compressed

_WIDTH_SECONDS = 0.3  # what is chosen out of many is measured again, by the gate


class Stopwatch(Protocol):
    """What tells how long networks take."""

    def cost(self, shape: InputShape) -> AbstractContextManager[Cost]:
        """Give a callable that returns milliseconds of a float network, in the number format that ships."""
        ...

    def layer_cost(self) -> AbstractContextManager[LayerCost]:
        """Give a callable that returns milliseconds of a layer for inputs of a shape."""
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

    def cost(self, shape: InputShape) -> AbstractContextManager[Cost]:
        """Give what times one network after the other in a bench of its own."""
        return measured_cost(
            shape, runtime=self.runtime, dtype=self.dtype, threads=self.threads, seconds_each=_WIDTH_SECONDS
        )

    @contextlib.contextmanager
    def layer_cost(self) -> Iterator[LayerCost]:
        """Give what times single layers in a bench of its own."""
        with Bench(self.runtime, self.dtype, self.threads) as bench:
            yield LayerTimer(bench)

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
