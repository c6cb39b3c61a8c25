"""Quantization-aware training: the float master weights learn what the integers will do."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from model_compression.distillation import LOSSES
from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.affine import Grid
from model_compression.quantization.graph import QuantizedNetwork
from model_compression.quantization.quantizer import FakeQuantizer
from zoo.data import Splits
from zoo.errors import TrainingDivergedError
from zoo.training import Epoch, LossFunction
from zoo.training.loop import MAX_GRADIENT_NORM, batches
from zoo.training.preprocessing import augment, normalize, resize


@dataclass(frozen=True)
class QatConfig:
    """How a quantized network is trained: few epochs, a small learning rate that falls by a cosine.

    Attributes:
        lr: of weights and scales; about a hundredth of the float training's for SGD.
        weight_decay: of weights, not of biases and scales.
        scales: "learned" trains them (LSQ) from what calibration gave, "lsq" sets those of weights by LSQ's rule
            first, "fixed" leaves all as they are.
        temperature: of the distillation loss.
    """

    epochs: int = 5
    batch_size: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 5e-4
    weight_decay: float = 1e-4
    scales: Literal["learned", "lsq", "fixed"] = "learned"
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.optimizer not in ("adamw", "sgd") or self.scales not in ("learned", "lsq", "fixed"):
            raise QuantizationError(
                f"QAT knows the optimizers adamw and sgd, and learned, lsq and fixed scales, not "
                f"{self.optimizer!r} and {self.scales!r}"
            )


@method("quantization-aware-training", "quantization", paper="arXiv:1712.05877")
@method("lsq", "quantization", paper="arXiv:1902.08153")
def train_quantized(
    network: QuantizedNetwork,
    data: Splits,
    config: QatConfig,
    *,
    resolution: int,
    loss: LossFunction | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> list[Epoch]:
    """Train `network` in place, on the training part of `data`, as it will be computed: rounded, with one gradient.

    The gradient passes rounding straight through; scales learn by LSQ (Esser et al., arXiv:1902.08153), their
    gradients multiplied by 1 / sqrt(values * qmax) (section 2.2). Batch norm is already folded in the file.

    Args:
        loss: of (scores, labels, images before resizing). By default the network's own float scores are the
            teacher's (distillation, KL divergence), so that no label is used.

    Equal arguments give equal weights on one machine. Raises TrainingDivergedError when the loss is not finite.
    """
    own_loss = _own_loss(network, config)
    if config.scales == "lsq":
        initialize_scales(network)
    weights, others = _trained(network, config)
    groups = [{"params": weights, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    make = torch.optim.AdamW if config.optimizer == "adamw" else _sgd
    optimizer = make(groups, lr=config.lr)
    steps = max(1, math.ceil(len(data.train) / config.batch_size) * config.epochs)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    scales = [p for p in others if p.requires_grad and any(p is q.scale for q in network.quantizers.values())]
    generator = torch.Generator().manual_seed(config.seed)
    mean, std = data.statistics()
    device = weights[0].device
    history = []
    with _training(network, weights + others), lsq_gradients(network):
        for number in range(1, config.epochs + 1):
            total = 0.0
            for images, labels in batches(data.train, config.batch_size, generator):
                if on_step:
                    on_step()
                images = augment(normalize(images, mean, std), flip=data.flip, generator=generator).to(device)
                inputs = resize(images, resolution)
                scores = network(inputs)
                value = loss(scores, labels.to(device), images) if loss else own_loss(scores, labels, inputs)
                if not torch.isfinite(value):
                    raise TrainingDivergedError(f"the loss became {value.item()} in epoch {number} of QAT")
                optimizer.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(weights + others, MAX_GRADIENT_NORM)
                smallest = [scale.detach() / 2 for scale in scales]  # no step may turn a scale negative
                optimizer.step()
                with torch.no_grad():
                    for scale, floor in zip(scales, smallest, strict=True):
                        scale.copy_(torch.maximum(scale, floor))
                schedule.step()
                total += value.item() * len(labels)
            history.append(Epoch(number, total / len(data.train)))
            if on_epoch:
                on_epoch(history[-1])
    return history


def lsq_scale(values: Tensor, grid: Grid, *, axis: int | None = None) -> Tensor:
    """Return LSQ's first scale, 2 mean|v| / sqrt(qmax) (section 2.1): a scalar, or one for each channel on `axis`.

    A channel of zeros gets scale 1.
    """
    size = values.detach().abs()
    mean = size.mean() if axis is None else size.movedim(axis, 0).flatten(1).mean(1)
    scale = 2 * mean / math.sqrt(grid.qmax)
    return scale.masked_fill(scale < torch.finfo(torch.float32).tiny, 1)


@torch.no_grad()
def initialize_scales(network: QuantizedNetwork) -> None:
    """Give every weight quantizer the scale of `lsq_scale`."""
    for layer in network.layers:
        quantizer = network.quantizers[layer.weight]
        quantizer.scale.copy_(lsq_scale(network.weights[layer.weight], quantizer.grid, axis=quantizer.axis))


@contextmanager
def lsq_gradients(network: QuantizedNetwork) -> Iterator[None]:
    """Multiply the gradients of scales by LSQ's 1 / sqrt(n qmax) while the context lasts.

    n is how many values one scale serves: weights of a channel, values of an activation in one image.
    """
    counts: dict[FakeQuantizer, int] = {}
    weights = {id(network.quantizers[layer.weight]) for layer in network.layers}

    def count(quantizer: FakeQuantizer, inputs: tuple[Tensor, ...]) -> None:
        shared = quantizer.scale.numel() if id(quantizer) in weights else len(inputs[0])
        counts[quantizer] = max(1, inputs[0].numel() // shared)

    def scaled(quantizer: FakeQuantizer) -> Callable[[Tensor], Tensor]:
        return lambda gradient: gradient / math.sqrt(counts[quantizer] * quantizer.grid.qmax)

    hooks = []
    for quantizer in network.quantizers.values():
        if quantizer.scale.requires_grad:
            hooks += [quantizer.register_forward_pre_hook(count), quantizer.scale.register_hook(scaled(quantizer))]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _trained(network: QuantizedNetwork, config: QatConfig) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights, and the biases and scales, that are trained."""
    keys = dict.fromkeys(layer.weight for layer in network.layers)
    biases = dict.fromkeys(layer.bias for layer in network.layers if layer.bias)
    others = [network.weights[key] for key in biases]
    if config.scales != "fixed":
        others += [quantizer.scale for quantizer in network.quantizers.values()]
    return [network.weights[key] for key in keys], others


@contextmanager
def _training(network: nn.Module, trained: list[Tensor]) -> Iterator[None]:
    """Let gradients flow to `trained` alone while the context lasts, and to nothing afterwards."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(False)


def _own_loss(network: QuantizedNetwork, config: QatConfig) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return the distillation loss whose teacher is `network` as it is now, in float; it sees the network's inputs."""
    teacher = copy.deepcopy(network)
    teacher.quantize_weights(False)
    teacher.quantize_activations(False)
    divergence = LOSSES.get("kd")

    def compute(scores: Tensor, labels: Tensor, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            targets = teacher(inputs)
        return divergence(scores, targets, labels.to(scores.device), temperature=config.temperature, alpha=1.0)

    return compute


def _sgd(groups: list[dict], *, lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, momentum=0.9)
