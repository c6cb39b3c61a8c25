"""What a layer reads and should compute at random positions, as matrices: one step of learning is one product."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model_compression.quantization.graph import Layer, QuantizedNetwork
from model_compression.quantization.operators import get_operator
from model_compression.quantization.units import activations_after

_MEMORY = 2**28  # bytes of sampled inputs
_IMAGES = 16  # looked at in one go


@dataclass(frozen=True)
class Samples:
    """Chunks of sampled positions, shuffled.

    Attributes:
        inputs: chunks [groups, inputs of an output channel, positions].
        targets: chunks [groups, output channels of a group, positions], before the activation.
        activate: the activation.
    """

    inputs: list[Tensor]
    targets: list[Tensor]
    activate: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Window:
    """How a layer looks at its input [N, C, H, W]."""

    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, ...] = (0, 0, 0, 0)  # top, left, bottom, right

    def pad(self, images: Tensor) -> Tensor:
        top, left, bottom, right = self.pads
        return F.pad(images, (left, right, top, bottom)) if any(self.pads) else images

    def output_size(self, padded: Tensor) -> tuple[int, int]:
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True)]
        sizes = zip(padded.shape[2:], reach, self.strides, strict=True)
        height, width = ((size - r) // stride + 1 for size, r, stride in sizes)
        return height, width


def can_sample(network: QuantizedNetwork, layer: Layer, inputs: Tensor) -> bool:
    """Return whether the layer is a 2-D convolution or a linear layer, with padding written out."""
    if layer.kind == "linear":
        return True
    step = next(step for step in network.steps if step.name == layer.name)
    return inputs.ndim == 4 and step.attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")


@torch.no_grad()
def sample_layer(
    network: QuantizedNetwork,
    layer: Layer,
    inputs: Tensor,
    float_inputs: Tensor,
    *,
    count: int,
    batch: int,
    generator: torch.Generator,
) -> Samples:
    """Return about `count` sampled positions in chunks of `batch`.

    Args:
        network: with the float weights, which make the targets.
        inputs: what the layer reads in the quantized network, [N, ...].
        float_inputs: what it reads in the float network.
    """
    window = _window(network, layer)
    inputs, float_inputs = _as_images(layer, inputs), _as_images(layer, float_inputs)
    matrix = as_matrices(network.weights[layer.weight], layer)
    height, width = window.output_size(window.pad(inputs[:1]))
    count = min(count, _MEMORY // (4 * matrix.shape[0] * matrix.shape[2]))
    each = max(1, min(height * width, round(count / len(inputs))))
    total = each * len(inputs)
    sampled = inputs.new_empty(matrix.shape[0], matrix.shape[2], total)
    targets = inputs.new_empty(matrix.shape[0], matrix.shape[1], total)
    place = torch.randperm(total, generator=generator)
    for first in range(0, len(inputs), _IMAGES):
        chosen = slice(first, first + _IMAGES)
        images = len(inputs[chosen])
        positions = torch.rand(images, height * width, generator=generator).argsort(1)[:, :each]
        where = place[first * each : first * each + images * each]
        sampled[:, :, where] = _patches(inputs[chosen], positions, window, width, layer.groups)
        patches = _patches(float_inputs[chosen], positions, window, width, layer.groups)
        targets[:, :, where] = matrix @ patches
    if layer.bias:
        targets += network.weights[layer.bias].reshape(layer.groups, -1, 1)
    return Samples(
        [chunk.contiguous() for chunk in sampled.split(batch, 2)],
        [chunk.contiguous() for chunk in targets.split(batch, 2)],
        _activation(network, layer),
    )


def as_matrices(weight: Tensor, layer: Layer) -> Tensor:
    """Return weights as [groups, output channels of a group, inputs of an output channel]."""
    weight = weight.movedim(layer.channel_axis, 0)
    return weight.reshape(layer.groups, len(weight) // layer.groups, -1)


def _as_images(layer: Layer, values: Tensor) -> Tensor:
    """Return [N, C, H, W]: a linear layer sees its tokens as an image of one row."""
    if layer.kind == "conv":
        return values
    return values.reshape(len(values), -1, values.shape[-1]).transpose(1, 2).unsqueeze(2)


def _window(network: QuantizedNetwork, layer: Layer) -> _Window:
    if layer.kind == "linear":
        return _Window()
    attributes = next(step for step in network.steps if step.name == layer.name).attributes
    height, width = network.weights[layer.weight].shape[2:]
    return _Window(
        (height, width),
        tuple(attributes.get("strides", (1, 1))),
        tuple(attributes.get("dilations", (1, 1))),
        tuple(attributes.get("pads", (0, 0, 0, 0))),
    )


def _patches(images: Tensor, positions: Tensor, window: _Window, width: int, groups: int) -> Tensor:
    """Return what the window sees at `positions` [N, each] of the output: [groups, inputs, N * each]."""
    padded = window.pad(images).permute(0, 2, 3, 1)
    rows, columns = positions // width * window.strides[0], positions % width * window.strides[1]
    rows = rows[:, :, None, None] + torch.arange(window.kernel[0])[:, None] * window.dilations[0]
    columns = columns[:, :, None, None] + torch.arange(window.kernel[1]) * window.dilations[1]
    found = padded[torch.arange(len(images))[:, None, None, None], rows, columns]  # [N, each, height, width, C]
    found = found.reshape(positions.numel(), -1, groups, images.shape[1] // groups)
    return found.permute(2, 3, 1, 0).reshape(groups, -1, positions.numel())


def _activation(network: QuantizedNetwork, layer: Layer) -> Callable[[Tensor], Tensor]:
    steps = activations_after(network, layer)

    def activate(values: Any) -> Tensor:
        for step in steps:
            values = get_operator(step.operator, step.name)(values, *step.inputs[1:], **step.attributes)
        return values

    return activate
