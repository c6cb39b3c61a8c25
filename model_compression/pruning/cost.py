"""What a network costs: a callable, measured on the device by default."""

import contextlib
from collections.abc import Callable, Iterator

from torch import nn

from latency_tables.bench import Bench
from latency_tables.errors import MeasurementError
from latency_tables.measurement import summarize, time_in_turns
from model_compression.pruning.channels import Shape

Cost = Callable[[nn.Module], float]


@contextlib.contextmanager
def measured_cost(
    shape: Shape, *, runtime: str = "onnxruntime", dtype: str = "fp32", threads: int = 1, seconds_each: float = 1.0
) -> Iterator[Cost]:
    """Give a callable that times a network in milliseconds; all are put in units of one reference network's time.

    Raises MeasurementError where the runtime cannot run a network, RuntimeUnavailableError where it is missing.
    """
    with Bench(runtime, dtype, threads) as bench:
        reference_ms: float | None = None

        def cost(network: nn.Module) -> float:
            nonlocal reference_ms
            training = network.training
            try:
                bench.add("candidate", network.eval(), shape)
                samples = time_in_turns(bench, ["candidate"], seconds_each=seconds_each).get("candidate")
            finally:
                bench.remove("candidate")
                network.train(training)
            if not samples:
                raise MeasurementError(f"{runtime} failed while a pruned network was timed")
            measurement = summarize(samples, reference_ms=reference_ms)
            reference_ms = measurement.reference_ms  # of the first network: the machine's pace then
            return measurement.median_ms

        yield cost


@contextlib.contextmanager
def given_or_measured(cost: Cost | None, shape: Shape) -> Iterator[Cost]:
    """Give `cost`, or without one what onnxruntime takes on this machine."""
    if cost is not None:
        yield cost
    else:
        with measured_cost(shape) as measured:
            yield measured
