"""What each layer loses by being quantized, and what the device gains."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from latency_tables.bench import Bench
from latency_tables.node_names import module_path
from model_compression.errors import QuantizationError
from model_compression.quantization.calibration import floating
from model_compression.quantization.graph import Layer, QuantizedNetwork

_PROFILE_RUNS = 100
Part = Literal["both", "weights", "activations"]


@dataclass(frozen=True)
class Sensitivity:
    """One layer, quantized alone: its weights, its bias, and the value that it reads.

    Attributes:
        layer: name of its node.
        divergence: mean KL(float scores || scores), in nats; 0 for a layer that is float in the file.
        accuracy_drop: share of the images, -1..1, that are classified rightly in float only; NaN without labels.
        ms_gained: of one image, by its quantization on the device; NaN where not measured.
    """

    layer: str
    divergence: float
    accuracy_drop: float = math.nan
    ms_gained: float = math.nan


@torch.no_grad()
def sensitivities(
    network: QuantizedNetwork,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    ms_gained: Mapping[str, float] | None = None,
    part: Part = "both",
    batch_size: int = 16,
    on_layer: Callable[[int, int], None] | None = None,
) -> list[Sensitivity]:
    """Return what each layer of the network loses, in order of execution, with all others in float.

    Args:
        images: (N, C, H, W) as the network sees them.
        labels: (N,), for `accuracy_drop`.
        ms_gained: by layer, see `measure_gains`.
        part: of each layer that is quantized: what it reads, its weights with its bias, or both.
        on_layer: called with (layers done, all) of all batches together.

    Raises QuantizationError without images, or where scores are not finite.
    """
    if not len(images):
        raise QuantizationError("no images to find the layers' sensitivity with")
    divergence, wrong = [torch.zeros(len(network.layers)) for _ in range(2)]
    batches = list(
        zip(images.split(batch_size), labels.split(batch_size) if labels is not None else images, strict=False)
    )
    done = 0
    with floating(network):
        for batch, truth in batches:
            inputs = [layer.input for layer in network.layers]
            known = network.values({*inputs, network.output}, {network.input: batch})
            expected = known[network.output]
            if not expected.isfinite().all():
                raise QuantizationError("the float network gives NaN or infinite scores for these images")
            for number, layer in enumerate(network.layers):
                # values behind the layer are computed anew
                before = {name: known[name] for name in inputs[: number + 1]} | {network.input: batch}
                with _quantized(network, layer, part) as reads:
                    scores = network.values([network.output], before | {layer.input: reads(known[layer.input])})
                scores = scores[network.output]
                divergence[number] += divergences(expected, scores).sum()
                if labels is not None:
                    wrong[number] += ((expected.argmax(1) == truth).float() - (scores.argmax(1) == truth).float()).sum()
                done += 1
                if on_layer:
                    on_layer(done, len(batches) * len(network.layers))
    drops = wrong / len(images) if labels is not None else torch.full_like(wrong, math.nan)
    return [
        Sensitivity(layer.name, float(lost), float(drop), (ms_gained or {}).get(layer.name, math.nan))
        for layer, lost, drop in zip(network.layers, divergence / len(images), drops, strict=True)
    ]


def measure_gains(network: QuantizedNetwork, float_path: Path, qdq_path: Path, *, threads: int = 1) -> dict[str, float]:
    """Return milliseconds by layer that onnxruntime takes longer for it in the float file than in the quantized one.

    By the runtime's own profile of both files, in turns; conversions between the formats count with the layer that they
    belong to by name. Raises MeasurementError where a file cannot be run.
    """
    spent = []
    for path, dtype in ((float_path, "fp32"), (qdq_path, "int8")):
        with Bench("onnxruntime", dtype, threads) as bench:
            bench.add_file("net", path)
            by_module: dict[str, float] = {}
            for node in bench.profile("net", _PROFILE_RUNS) or ():
                by_module[node.module] = by_module.get(node.module, 0.0) + node.ms
        spent.append(by_module)
    in_float, quantized = spent
    modules = {layer.name: module_path(layer.name) for layer in network.layers}
    return {name: in_float.get(module, 0.0) - quantized.get(module, 0.0) for name, module in modules.items()}


def divergences(expected: Tensor, scores: Tensor) -> Tensor:
    """Return KL(expected || scores) of each image (N,), in nats, of scores (N, classes)."""
    p, q = F.log_softmax(expected, dim=1), F.log_softmax(scores, dim=1)
    return F.kl_div(q, p, reduction="none", log_target=True).sum(1)


@contextlib.contextmanager
def _quantized(network: QuantizedNetwork, layer: Layer, part: Part) -> Iterator[Callable[[Tensor], Tensor]]:
    """Quantize the weights and the bias of one layer; gives what quantizes the value that it reads."""
    weight = layer.weight if layer.weight in network.quantizers and part != "activations" else None
    read = network.quantizer_of(layer.input) if part != "weights" else None
    keys = [key for key in (weight, read) if key and key in network.quantizers]
    # a layer that stayed float in the file reads what is quantized for others
    reading = read in keys and layer.weight in network.quantizers
    for key in keys:
        network.quantizers[key].enabled = True
    try:
        yield lambda values: network.quantizers[read](values) if reading and read else values
    finally:
        for key in keys:
            network.quantizers[key].enabled = False
