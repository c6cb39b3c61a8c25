"""Bias correction without images: what a layer reads on average is told by the batch norms before it.

Nagel et al., arXiv:1906.04721, section 4.2 and appendix C.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latency_tables.node_names import module_path
from latency_tables.runtimes import InputShape
from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.graph import Layer, QuantizedNetwork, Step

# what keeps the mean of every channel
_MEANS_STAY = ("Identity", "Dropout", "GlobalAveragePool", "AveragePool", "ReduceMean", "Flatten", "Reshape")


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of the channels of a value, float32 [channels] each.

    Attributes:
        std: None where the value is no longer normally distributed.
    """

    mean: Tensor
    std: Tensor | None = None


@method("analytic-bias-correction", "quantization", paper="arXiv:1906.04721")
def correct_biases_analytically(
    network: QuantizedNetwork, module: nn.Module, input_shape: InputShape
) -> dict[str, float]:
    """Take what rounding the weights adds to each channel's mean, E[W_q x] - E[W x], off the biases, in place.

    E[x] of the channels that a layer reads is that of a normal distribution with the mean and the deviation of the
    batch norm before it (its beta and gamma), behind ReLU or Clip; sums add their means up. Padding is left out of
    account. Layers that read anything else (the images, values behind other activations), that have no bias or that
    stayed float are left as they are.

    Args:
        module: the float network that was exported, with its batch norms.
        input_shape: of its images, (N, C, H, W).

    Returns the largest shift of a channel that was taken back, by layer. Raises QuantizationError where the network
    has no batch norm behind a convolution.
    """
    statistics = batch_norm_moments(module, input_shape)
    if not statistics:
        raise QuantizationError("analytic bias correction needs batch norms behind convolutions; correct with images")
    expected, shifts = expected_values(network, statistics), {}
    for layer in network.layers:
        means = expected.get(layer.input)
        if means is None or layer.bias is None or layer.weight not in network.quantizers:
            continue
        weight = network.weights[layer.weight].detach()
        error = _by_channels(network.quantizer(layer.weight)(weight).detach() - weight, layer)
        inputs = error.shape[1]
        if means.mean.numel() != layer.groups * inputs:  # a Flatten that left positions beside channels
            continue
        groups = means.mean.to(error.device).reshape(layer.groups, 1, inputs)
        shift = (error.reshape(layer.groups, -1, inputs) * groups).sum(2).flatten()
        with torch.no_grad():
            network.weights[layer.bias] -= shift
        shifts[layer.name] = float(shift.abs().max())
    return shifts


def batch_norm_moments(module: nn.Module, input_shape: InputShape) -> dict[str, Moments]:
    """Return the moments of what each convolution and its batch norm compute together, by the convolution's path."""
    computed: dict[int, tuple[str, Tensor]] = {}  # the tensor is kept, so that its id is not given anew
    found: dict[str, Moments] = {}

    def note(name: str, result: Tensor) -> None:
        computed[id(result)] = name, result

    def match(norm: nn.BatchNorm2d, value: Tensor) -> None:
        if id(value) in computed and norm.affine:
            found[computed[id(value)][0]] = Moments(norm.bias.detach(), norm.weight.detach().abs())

    hooks = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            hooks.append(layer.register_forward_hook(lambda _, __, result, name=name: note(name, result)))
        elif isinstance(layer, nn.BatchNorm2d):
            hooks.append(layer.register_forward_pre_hook(lambda norm, inputs: match(norm, inputs[0])))
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(input_shape))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def expected_values(network: QuantizedNetwork, statistics: Mapping[str, Moments]) -> dict[str, Moments]:
    """Return what is known of the network's values from that of its convolutions, given by their modules' paths."""
    known: dict[str, Moments] = {}
    for step in network.steps:
        moments = _after(step, known, statistics)
        if moments:
            known[step.outputs[0]] = moments
    return known


def _after(step: Step, known: Mapping[str, Moments], statistics: Mapping[str, Moments]) -> Moments | None:
    if step.operator == "Conv":
        return statistics.get(module_path(step.name))
    read = [known.get(name) if isinstance(name, str) else None for name in step.inputs]
    first = read[0] if read else None
    if step.operator == "Add" and len(read) == 2 and read[0] and read[1]:
        return Moments(read[0].mean + read[1].mean)
    if first is None:
        return None
    if step.operator in ("Relu", "Clip"):
        low, high = (0.0, math.inf) if step.operator == "Relu" else _bounds(step)
        return Moments(clipped_normal_mean(first.mean, first.std, low, high)) if first.std is not None else None
    if step.operator == "Quantize":
        return first
    return Moments(first.mean) if step.operator in _MEANS_STAY else None


def _bounds(step: Step) -> tuple[float, float]:
    low, high = (*step.inputs[1:], None, None)[:2]
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


def clipped_normal_mean(mean: Tensor, std: Tensor, low: float, high: float) -> Tensor:
    """Return the mean of normal distributions [channels] whose values are clipped to `low`..`high` (appendix C)."""
    normal = torch.distributions.Normal(0.0, 1.0)
    # in float64: far from the bounds, the terms cancel
    mean, std = mean.double(), std.double().clamp(min=1e-12)
    start, end = (low - mean) / std, (high - mean) / std
    inside = std * (_density(start) - _density(end)) + mean * (normal.cdf(end) - normal.cdf(start))
    if math.isfinite(low):
        inside = inside + low * normal.cdf(start)
    if math.isfinite(high):
        inside = inside + high * (1 - normal.cdf(end))
    return inside.float()


def _density(values: Tensor) -> Tensor:
    return torch.exp(-values.square() / 2) / math.sqrt(2 * math.pi)


def _by_channels(weight: Tensor, layer: Layer) -> Tensor:
    """Return weights summed over positions, as [output channels, input channels of a group]."""
    weight = weight.movedim(layer.channel_axis, 0)
    return weight.flatten(2).sum(2) if weight.ndim > 2 else weight
