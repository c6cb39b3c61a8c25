"""Where the quantizers stand: where onnxruntime puts them itself, so that what is learned runs at its int8 speed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latency_tables.machine import has_vnni
from latency_tables.onnx_files import quantize_onnx
from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid
from model_compression.quantization.graph import Layer, QuantizedNetwork, read_network
from model_compression.quantization.write_back import write_network

_LARGEST_BIAS = 0.999 * 2**31  # of float32, which would round 2^31 - 1 up


@dataclass(frozen=True)
class PlacementOptions:
    """How the file is quantized.

    Attributes:
        excluded: names of nodes that stay float. A convolution alone between quantized values does not: onnxruntime
            quantizes its weights itself when it opens the file.
        weight_bits: 2 to 8; None = 8, or 7 where the processor lacks VNNI, whose 16-bit sums 8 bits overflow.
    """

    excluded: tuple[str, ...] = ()
    weight_bits: int | None = None


def place(
    float_path: Path, qdq_path: Path, calibration: Sequence[np.ndarray], options: PlacementOptions | None = None
) -> QuantizedNetwork:
    """Write the int8 form of `float_path` to `qdq_path`, and return it as a network to improve.

    Activations get the range that the `calibration` batches (1, C, H, W) float32 show, weights their own per channel.
    """
    options = options or PlacementOptions()
    bits = options.weight_bits or (8 if has_vnni() else 7)
    quantize_onnx(float_path, qdq_path, calibration, reduce_range=False, excluded=options.excluded)
    network = read_network(qdq_path, float_path)
    if unknown := set(options.excluded) - {step.name for step in network.steps}:
        raise QuantizationError(f"no node is called {min(unknown)!r}, and so it cannot be left in float")
    set_weight_bits(network, bits)
    write_network(network, qdq_path, qdq_path)
    return network


def set_weight_bits(network: QuantizedNetwork, bits: int, *, layers: Collection[str] | None = None) -> None:
    """Put the weights of the named layers (None = all) on a symmetric grid of `bits`, as wide as their values.

    Integers of fewer than 8 bits are stored as int8, which every runtime runs.
    """
    for layer in network.layers:
        if layer.weight in network.quantizers and (layers is None or layer.name in layers):
            network.quantizers[layer.weight].grid = Grid(bits=bits, signed=True, symmetric=True, narrow=True)
            rows = channel_rows(network, layer)
            set_weight_range(network, layer, rows.amin(1), rows.amax(1))


def channel_rows(network: QuantizedNetwork, layer: Layer) -> Tensor:
    """Return the float weights as [channels, weights of one], or [1, weights] where one scale serves all."""
    weight, axis = network.weights[layer.weight].detach(), network.quantizers[layer.weight].axis
    return weight.reshape(1, -1) if axis is None else weight.movedim(axis, 0).flatten(1)


def set_weight_range(network: QuantizedNetwork, layer: Layer, low: Tensor, high: Tensor) -> None:
    """Set the range of a layer's weights, [channels] each, and widen it where its int32 bias would not fit else."""
    quantizer = network.quantizer(layer.weight)
    quantizer.set_range(low.reshape(quantizer.scale.shape), high.reshape(quantizer.scale.shape))
    if layer.bias in network.bias_scales:
        activation = network.quantizer(network.bias_scales[layer.bias][0])
        with torch.no_grad():
            least = network.weights[layer.bias].abs() / (_LARGEST_BIAS * activation.scale)
            least = least.amax() if quantizer.axis is None else least
            quantizer.scale.copy_(torch.maximum(quantizer.scale, least))
