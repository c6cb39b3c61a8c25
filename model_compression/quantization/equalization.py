"""Cross-layer equalization: weights moved from layer to layer until their channels use the grid alike.

Nagel et al., "Data-free quantization through weight equalization and bias correction", arXiv:1906.04721, and
SmoothQuant, which does it for activations, arXiv:2211.10438. All functions read a float ONNX file and write one that
computes the same; it is quantized afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.float_file import FloatFile, Pair, attribute, by_input_channel, pairs

_ROUNDS = 100  # a pair converges at once, a chain of n layers geometrically
_CONVERGED = 1e-3
_MARGIN = 1.25  # how far beyond what calibration images gave a value may go before a Clip cuts it


@dataclass(frozen=True)
class EqualizedPair:
    """What equalization did to two layers.

    Attributes:
        first, second: names of their nodes.
        spread_before, spread_after: the largest over the smallest channel range of the first layer's weights.
    """

    first: str
    second: str
    spread_before: float
    spread_after: float


@method("cross-layer-equalization", "quantization", paper="arXiv:1906.04721")
def equalize(float_path: Path, path: Path, *, calibration: Sequence[np.ndarray] = ()) -> list[EqualizedPair]:
    """Write `float_path` with equalized weights to `path` (section 4.1, equations 8 to 11); atomic.

    Channel i between two layers gets s_i = sqrt(r1_i r2_i) / r2_i, where r1 and r2 are the ranges of the weights that
    write and read it; the first layer's weights and bias are divided by s_i, the second's multiplied by it. Pairs
    are walked until nothing changes, which also serves the triples around depthwise layers.

    Args:
        calibration: input batches of the file's own shape. A Clip from 0 (ReLU6) does not commute with s_i, so that
            a channel that reaches its bound on these images stays as it is, and the others stay below the bound.
            Without images, pairs with a Clip between them are left alone.
    """
    file = FloatFile(float_path)
    found = [pair for pair in pairs(file) if len(calibration) or not _clips(pair)]
    before = [_spread(file, pair) for pair in found]
    limits = _smallest_scales(file, found, calibration)
    for _ in range(_ROUNDS):
        changes = [_equalize_pair(file, pair, limits.get(pair.first.output[0])) for pair in found]
        if max(changes, default=0) < _CONVERGED:
            break
    file.save(path)
    return [
        EqualizedPair(pair.first.name, pair.second.name, spread, _spread(file, pair))
        for pair, spread in zip(found, before, strict=True)
    ]


@method("bias-absorption", "quantization", paper="arXiv:1906.04721")
def absorb_biases(float_path: Path, path: Path, *, calibration: Sequence[np.ndarray]) -> dict[str, int]:
    """Write `float_path` with high biases moved into the next layer (section 4.1.3); return channels by layer; atomic.

    Where a channel never falls below c > 0 before its ReLU, c is taken off the bias, and W2 c added to the next one's.
    The paper takes c = max(0, mean - 3 std) from batch norm; that is folded here, and c is the smallest value on the
    `calibration` batches, which keeps the function. Layers with padding see zeros beside such a channel: not taken.
    """
    file = FloatFile(float_path)
    found = [pair for pair in pairs(file) if _absorbs(pair)]
    ranges = file.channel_ranges([pair.first.output[0] for pair in found], calibration)
    absorbed = {}
    for pair in found:
        low, high = ranges[pair.first.output[0]]
        tops = [file.clip_top(node) for node in _clips(pair)]
        amount = np.where(high < min(tops, default=np.inf), np.maximum(low, 0), 0).astype(np.float32)
        if not amount.any():
            continue
        second, groups = file.weight(pair.second), int(attribute(pair.second, "group", 1))
        moved = by_input_channel(second, groups) * amount.reshape(groups, 1, -1, 1)
        file.set_weights(pair.first, file.weight(pair.first), file.bias(pair.first) - amount)
        file.set_weights(pair.second, second, file.bias(pair.second) + moved.sum((2, 3)).ravel())
        absorbed[pair.first.name] = int((amount > 0).sum())
    file.save(path)
    return absorbed


@method("smoothquant", "quantization", paper="arXiv:2211.10438")
def smooth(
    float_path: Path, path: Path, *, calibration: Sequence[np.ndarray], strength: float = 0.5
) -> dict[str, float]:
    """Write `float_path` with outliers of activations moved into the weights that read them; atomic.

    Input channel i of a layer is divided by s_i = max|x_i|^strength / max|w_i|^(1 - strength) (equation 4), in the
    weights of the layer before, and its own weights are multiplied by it. Pairs with a Clip (ReLU6) between them, which
    does not commute with s_i, are left alone.

    Args:
        calibration: input batches of the file's own shape, on which max|x_i| is taken.
        strength: 0..1, how much of the difficulty goes from activations to weights.

    Returns by the second layer's name the largest over the median max|x_i| before. Raises QuantizationError for a
    strength outside 0..1 and where there are no images.
    """
    if not 0 <= strength <= 1 or not len(calibration):
        raise QuantizationError(
            f"smoothing needs images, and a strength in 0..1, got {len(calibration)} and {strength}"
        )
    file = FloatFile(float_path)
    found = [pair for pair in pairs(file) if not _clips(pair)]
    ranges = file.channel_ranges([pair.second.input[0] for pair in found], calibration)
    outliers = {}
    for pair in found:
        seen = np.abs(ranges[pair.second.input[0]]).max(0)
        reading = _read(file.weight(pair.second), int(attribute(pair.second, "group", 1)))
        alive = (seen > 0) & (reading > 0)
        scale = np.ones_like(seen)
        scale[alive] = seen[alive] ** strength / reading[alive] ** (1 - strength)
        _rescale(file, pair, scale)
        outliers[pair.second.name] = float(seen.max() / max(np.median(seen), np.finfo(np.float32).tiny))
    file.save(path)
    return outliers


def _equalize_pair(file: FloatFile, pair: Pair, limits: np.ndarray | None) -> float:
    """Equalize one pair; return the largest |log s|. `limits`, the smallest s by channel, moves with the channel."""
    writing = _written(file.weight(pair.first))
    reading = _read(file.weight(pair.second), int(attribute(pair.second, "group", 1)))
    alive = (writing > 0) & (reading > 0)
    scale = np.ones_like(writing)
    scale[alive] = np.sqrt(writing[alive] / reading[alive])
    if limits is not None:
        scale = np.where(np.isinf(limits), 1, np.maximum(scale, limits))
        limits /= scale
    _rescale(file, pair, scale)
    return float(np.abs(np.log(scale)).max())


def _rescale(file: FloatFile, pair: Pair, scale: np.ndarray) -> None:
    """Divide each channel between the two layers by its `scale`."""
    first, second, groups = file.weight(pair.first), file.weight(pair.second), int(attribute(pair.second, "group", 1))
    file.set_weights(pair.first, (first.T / scale).T, file.bias(pair.first) / scale)
    scaled = by_input_channel(second, groups) * scale.reshape(groups, 1, -1, 1)
    file.set_weights(pair.second, scaled.reshape(second.shape), file.bias(pair.second))


def _smallest_scales(file: FloatFile, found: list[Pair], calibration: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return for the first layer's output, where a Clip follows, how small s may be; infinite: it stays 1."""
    clipped = {
        pair.first.output[0]: min(file.clip_top(node) for node in _clips(pair)) for pair in found if _clips(pair)
    }
    ranges = file.channel_ranges(list(clipped), calibration)
    return {
        value: np.where(ranges[value][1] >= top, np.inf, np.maximum(ranges[value][1], 0) * _MARGIN / top)
        for value, top in clipped.items()
    }


def _clips(pair: Pair) -> list:
    return [node for node in pair.between if node.op_type == "Clip"]


def _absorbs(pair: Pair) -> bool:
    """Whether a constant added to a channel passes through a ReLU, and perhaps a mean, to a layer without padding."""
    operators = [node.op_type for node in pair.between]
    pads = next((list(a.ints) for a in pair.second.attribute if a.name == "pads"), [])
    return (
        operators[:1] in (["Relu"], ["Clip"])
        and set(operators[1:]) <= {"GlobalAveragePool", "Flatten", "Identity", "Dropout"}
        and not any(pads)
        and not any(a.name == "auto_pad" and a.s.startswith(b"SAME") for a in pair.second.attribute)
    )


def _written(weight: np.ndarray) -> np.ndarray:
    return np.abs(weight).reshape(len(weight), -1).max(1)


def _read(weight: np.ndarray, groups: int) -> np.ndarray:
    return np.abs(by_input_channel(weight, groups)).max((1, 3)).ravel()


def _spread(file: FloatFile, pair: Pair) -> float:
    ranges = _written(file.weight(pair.first))
    ranges = ranges[ranges > 0]
    return float(ranges.max() / ranges.min()) if len(ranges) else 1.0
