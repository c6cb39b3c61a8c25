"""Measured latency of single layers."""

from torch import nn

from latency_tables.bench import Bench
from latency_tables.errors import MeasurementError
from latency_tables.measurement import summarize, time_in_turns

_NAME = "layer"


class LayerTimer:
    """(a layer, shape of its input without the batch) -> median milliseconds of one image in the runtime of `bench`.

    Layers of the same structure are measured once. Each is measured alone, so that a runtime's cost of a call is in it
    every time: sums over layers are higher than the network.
    """

    def __init__(self, bench: Bench, *, seconds_each: float = 0.5) -> None:
        self._bench, self._seconds = bench, seconds_each
        self._known: dict[tuple[str, tuple[int, ...]], float] = {}

    def __call__(self, layer: nn.Module, input_shape: tuple[int, ...]) -> float:
        """Raises MeasurementError where the runtime cannot run the layer."""
        key = str(layer), input_shape
        if key not in self._known:
            image = layer if len(input_shape) == 3 else nn.Sequential(nn.Flatten(), layer)
            shape = input_shape if len(input_shape) == 3 else (input_shape[-1], 1, 1)
            self._bench.add(_NAME, image, (1, *shape))
            try:
                samples = time_in_turns(self._bench, [_NAME], seconds_each=self._seconds)
            finally:
                self._bench.remove(_NAME)
            if _NAME not in samples:
                raise MeasurementError(f"the runtime cannot run {key[0].splitlines()[0]}")
            self._known[key] = summarize(samples[_NAME]).median_ms
        return self._known[key]
