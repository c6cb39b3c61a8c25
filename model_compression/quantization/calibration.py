"""Ranges for a whole network: activations are watched over images, weights are looked at once."""

from collections.abc import Collection, Iterable
from contextlib import contextmanager

import torch
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.quantization.graph import QuantizedNetwork
from model_compression.quantization.placement import channel_rows, set_weight_range
from model_compression.quantization.ranges import RANGES, RangeEstimator

Ranges = dict[str, tuple[Tensor, Tensor]]
_VALUES_PER_BATCH = 2**16


@contextmanager
def floating(network: QuantizedNetwork):
    """Let the network compute in float, and set each quantizer back to what it was."""
    before = {key: quantizer.enabled for key, quantizer in network.quantizers.items()}
    for quantizer in network.quantizers.values():
        quantizer.enabled = False
    try:
        yield
    finally:
        for key, enabled in before.items():
            network.quantizers[key].enabled = enabled


def activation_ranges(
    network: QuantizedNetwork, batches: Iterable[Tensor], methods: Collection[str] = ("min-max",)
) -> dict[str, Ranges]:
    """Return, by method, the range of each activation quantizer: one float pass serves all methods.

    Args:
        batches: images [N, C, H, W].
        methods: names of RANGES. They see up to 2^16 values of each tensor and batch, drawn at random, with the
            smallest and the largest.

    Raises QuantizationError where there are no images or a value is not finite, naming the quantizer.
    """
    quantizers = network.activation_quantizers()
    estimators = {
        (method, key): RANGES.get(method)(quantizer.grid) for method in methods for key, quantizer in quantizers.items()
    }
    generator = torch.Generator().manual_seed(0)

    def watch(key: str, values: Tensor) -> None:
        values = _sample(values.detach().cpu(), generator)
        for method in methods:
            _named(key, lambda: estimators[method, key].observe(values))  # noqa: B023

    hooks = [
        quantizer.register_forward_pre_hook(lambda _, inputs, key=key: watch(key, inputs[0]))
        for key, quantizer in quantizers.items()
    ]
    try:
        with floating(network), torch.no_grad():
            for images in batches:
                network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {method: {key: _range(key, estimators[method, key]) for key in quantizers} for method in methods}


def weight_ranges(network: QuantizedNetwork, method: str) -> Ranges:
    """Return the range of each layer's weights, [channels] each, by the weight's key."""
    ranges = {}
    for layer in network.layers:
        if layer.weight in network.quantizers:
            estimator = RANGES.get(method)(network.quantizers[layer.weight].grid, axis=0)
            estimator.observe(channel_rows(network, layer))
            ranges[layer.weight] = estimator.range()
    return ranges


def set_activation_ranges(network: QuantizedNetwork, ranges: Ranges) -> None:
    """Put each activation quantizer on its range."""
    for key, (low, high) in ranges.items():
        network.quantizers[key].set_range(low, high)


def set_weight_ranges(network: QuantizedNetwork, ranges: Ranges) -> None:
    """Put the weights on their ranges, widened where an int32 bias needs it; activations come first."""
    for layer in network.layers:
        if layer.weight in ranges:
            set_weight_range(network, layer, *ranges[layer.weight])


def calibrate(
    network: QuantizedNetwork, batches: Iterable[Tensor], *, activations: str = "min-max", weights: str = "min-max"
) -> None:
    """Choose all ranges of the network from images [N, C, H, W] and its own weights, with methods of RANGES."""
    set_activation_ranges(network, activation_ranges(network, batches, [activations])[activations])
    set_weight_ranges(network, weight_ranges(network, weights))


def _sample(values: Tensor, generator: torch.Generator) -> Tensor:
    values = values.flatten()
    if values.numel() <= _VALUES_PER_BATCH:
        return values
    chosen = torch.randint(values.numel(), (_VALUES_PER_BATCH,), generator=generator)
    return torch.cat([values[chosen], torch.stack(values.aminmax())])


def _named(key: str, call):
    try:
        return call()
    except QuantizationError as error:
        raise QuantizationError(f"{key}: {error}") from None


def _range(key: str, estimator: RangeEstimator) -> tuple[Tensor, Tensor]:
    return _named(key, estimator.range)
