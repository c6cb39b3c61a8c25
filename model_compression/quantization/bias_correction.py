"""Bias correction: quantization shifts the mean of a channel, and the bias takes the shift back.

Nagel et al., arXiv:1906.04721, section 4.2, and Finkelstein et al., arXiv:1906.03193. Empirical, from images;
`analytic_bias_correction` does it without.
"""

import torch
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.calibration import floating
from model_compression.quantization.graph import Layer, QuantizedNetwork


@method("bias-correction", "quantization", paper="arXiv:1906.03193")
def correct_biases(network: QuantizedNetwork, images: Tensor) -> dict[str, float]:
    """Move the biases so that each channel of each layer has the float network's mean, in place.

    Layer by layer in order, in one pass: a later layer sees what those before, corrected, give it. Layers without bias,
    and those that stayed float, are left as they are.

    Args:
        images: [N, C, H, W], which go through together; 64 tell enough.

    Returns the largest shift of a channel's mean that was taken back, by layer. Raises QuantizationError without
    images.
    """
    if not len(images):
        raise QuantizationError("bias correction needs images")
    layers = {
        layer.output: layer for layer in network.layers if layer.bias is not None and layer.weight in network.quantizers
    }
    with floating(network):
        wanted = channel_means(network, images)
    shifts: dict[str, float] = {}

    def correct(value: str, result: Tensor) -> Tensor:
        if value not in layers:
            return result
        layer = layers[value]
        shift = wanted[layer.name] - _mean(result, layer)
        before = network.constant(layer.bias)
        network.weights[layer.bias].copy_(before + shift)
        shifts[layer.name] = float(shift.abs().max())
        moved = network.constant(layer.bias) - before  # which is rounded, unlike the shift
        return result + moved.reshape([-1, *[1] * (result.ndim - 2)] if layer.kind == "conv" else [-1])

    with torch.no_grad():
        network.values([network.output], {network.input: images}, after=correct)
    return shifts


def channel_means(network: QuantizedNetwork, images: Tensor) -> dict[str, Tensor]:
    """Return the mean of each output channel before the activation, float32 [channels], by the layer's name."""
    layers, means = {layer.output: layer for layer in network.layers}, {}

    def note(value: str, result: Tensor) -> Tensor:
        if value in layers:
            means[layers[value].name] = _mean(result, layers[value])
        return result

    with torch.no_grad():
        network.values([network.output], {network.input: images}, after=note)
    return means


def _mean(result: Tensor, layer: Layer) -> Tensor:
    """Return the mean of each channel: axis 1 of a convolution's result, the last one of a linear layer's."""
    axis = 1 if layer.kind == "conv" else result.ndim - 1
    return result.mean(dim=[other for other in range(result.ndim) if other != axis])
