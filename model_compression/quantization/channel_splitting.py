"""Outlier channel splitting: a channel with large weights becomes two with half of them.

Zhao et al., "Improving neural network quantization without retraining using outlier channel splitting",
arXiv:1901.09504. A float ONNX file is read, one that computes the same is written, and quantized afterwards.
"""

import math
from pathlib import Path

import numpy as np
from onnx import NodeProto

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.float_file import FloatFile, attribute, by_input_channel


@method("outlier-channel-splitting", "quantization", paper="arXiv:1901.09504")
def split_channels(
    float_path: Path, path: Path, *, share: float = 0.05, multiple: int = 16, bits: int | None = None
) -> dict[str, int]:
    """Write `float_path` with outlier channels split to `path`; return the added channels by layer; atomic.

    In each layer the input channel with the largest weight is doubled, by doubling the output channel of the layer
    before it (and of depthwise layers between), again and again. Only layers that alone read their input are split.

    Args:
        share: of a layer's input channels that are added, at least.
        multiple: added channels are a multiple of this; other widths are slow on most processors.
        bits: split w into (w - step/2)/2 and (w + step/2)/2, with the step of a grid of so many bits, so that the
            halves round to what w rounded to (section 3.3); None: into equal halves.

    Raises QuantizationError for a share that is negative or a multiple below 1.
    """
    if share < 0 or multiple < 1:
        raise QuantizationError(f"channels are split by a share >= 0 and a multiple >= 1, not {share} and {multiple}")
    file = FloatFile(float_path)
    added = {}
    for layer in file.layers:
        writers = _writers(file, layer)
        if not writers or not share:
            continue
        channels = file.weight(layer).shape[1]
        count = math.ceil(channels * share / multiple) * multiple
        weight, origin = split_weight(file.weight(layer), count, bits=bits)
        file.set_weights(layer, weight, file.bias(layer))
        for writer in writers:
            file.set_weights(writer, file.weight(writer)[origin], file.bias(writer)[origin])
            if attribute(writer, "group", 1) > 1:
                next(a for a in writer.attribute if a.name == "group").i = len(origin)
        added[layer.name] = count
    file.save(path)
    return added


def split_weight(weight: np.ndarray, count: int, *, bits: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return weights [out, in + count, ...] that do the same on inputs [origin], and `origin` [in + count]."""
    columns = by_input_channel(weight.astype(np.float64), 1)[0]  # [out, in, positions]
    columns = np.concatenate([columns, np.zeros((len(columns), count, columns.shape[2]))], axis=1)
    channels = weight.shape[1]
    origin = np.arange(channels + count)
    largest = np.abs(columns).max((0, 2))
    step = largest.max() / (2 ** (bits - 1) - 1) if bits else 0.0
    for new in range(channels, channels + count):
        old = int(largest.argmax())
        origin[new] = origin[old]
        columns[:, new] = (columns[:, old] + step / 2) / 2
        columns[:, old] = (columns[:, old] - step / 2) / 2
        largest[[old, new]] = np.abs(columns[:, [old, new]]).max((0, 2))
    return columns.reshape(len(weight), -1, *weight.shape[2:]).astype(np.float32), origin


def _writers(file: FloatFile, layer: NodeProto) -> list[NodeProto]:
    """Return the layers that write the inputs of `layer`, which alone reads them: depthwise ones, then a dense one."""
    if attribute(layer, "group", 1) != 1:
        return []
    writers: list[NodeProto] = []
    current = layer
    while True:
        before = next((n for n in file.layers if (path := file.path_to_next(n)) and path[-1] is current), None)
        if before is None:
            return []
        writers.append(before)
        groups = attribute(before, "group", 1)
        if groups == 1:
            return writers
        if file.weight(before).shape[1] != 1 or groups != len(file.weight(before)):
            return []
        current = before
