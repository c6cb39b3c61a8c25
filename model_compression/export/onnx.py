"""Networks as ONNX files, float and int8, and their accuracy as the runtime computes it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from latency_tables.onnx_files import export_onnx, quantize_onnx
from latency_tables.runtimes import Session
from zoo.data.splits import ImageSet, Splits
from zoo.training.preprocessing import normalize, resize

_CALIBRATION_IMAGES = 128
_CHUNK = 1024


def network_inputs(images: ImageSet, data: Splits, resolution: int) -> np.ndarray:
    """Return byte images as the float32 input (N, C, resolution, resolution) of an exported network."""
    mean, std = data.statistics()
    chunks = images.images.split(_CHUNK)
    return np.concatenate([resize(normalize(chunk, mean, std), resolution).numpy() for chunk in chunks])


def calibration_batches(data: Splits, resolution: int) -> Sequence[np.ndarray]:
    """Return training images, spread over the set, one a batch, for the ranges of int8 activations."""
    return list(network_inputs(spread(data.train, _CALIBRATION_IMAGES), data, resolution)[:, None])


def spread(images: ImageSet, count: int) -> ImageSet:
    """Return `count` of `images`, or all, evenly spread over the set."""
    step = max(1, len(images) // count)
    return images.subset(np.arange(0, len(images), step)[:count])


def export_network(network: nn.Module, data: Splits, resolution: int, dtype: str, folder: Path) -> Path:
    """Write `network` as `folder`/`dtype`.onnx for one image at a time, and return the path.

    int8 is quantized after training: QDQ, unsigned activations, signed weights per channel, calibrated on training
    images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    float_path = folder / "fp32.onnx"
    export_onnx(network, (1, data.in_chans, resolution, resolution), float_path)
    if dtype == "fp32":
        return float_path
    path = folder / f"{dtype}.onnx"
    quantize_onnx(float_path, path, calibration_batches(data, resolution))
    return path


def evaluate_session(session: Session, images: ImageSet, data: Splits, resolution: int) -> float:
    """Return the share of `images`, 0..1, that a runtime session classifies rightly."""
    scores = session.predict(network_inputs(images, data, resolution))
    return float((scores.argmax(1) == images.labels.numpy()).mean())
