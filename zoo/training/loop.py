"""The training loop."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data.splits import ImageSet, Splits
from zoo.errors import TrainingDivergedError
from zoo.training.preprocessing import augment, normalize, resize

# (scores of the network, labels, images at the data's own resolution) -> loss
LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]

MAX_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained: SGD with momentum and a one-cycle schedule.

    Attributes:
        lr: highest learning rate, reached after the first quarter.
        weight_decay: of weights, not of biases and normalisations.
        label_smoothing: of the default loss.
    """

    epochs: int
    batch_size: int = 64
    lr: float = 0.1
    weight_decay: float = 5e-4
    label_smoothing: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """What one pass over the images gave."""

    number: int
    loss: float


def train(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    *,
    resolution: int,
    loss: LossFunction | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> list[Epoch]:
    """Train `network` in place, on the device where it lies, on the training part of `data`.

    A layer with a method `training_progress(progress)` is told before each step how far the training is (0..1),
    what its method `penalty()` returns is added to the loss.

    Args:
        resolution: pixels at which the network sees the images.
        loss: cross entropy with label smoothing by default. One that is a module is moved to the device of `network`,
            and its weights are trained too.
        on_epoch: called after each pass.
        on_step: called before each batch; either may raise to end the training.

    Equal arguments give equal weights on one machine. Raises TrainingDivergedError when the loss is not finite.
    """
    loss = loss or _cross_entropy(config.label_smoothing)
    generator = torch.Generator().manual_seed(config.seed)
    mean, std = data.statistics()
    device = next(network.parameters()).device
    trained = nn.ModuleList([network, loss.to(device)]) if isinstance(loss, nn.Module) else network
    optimizer, schedule = one_cycle_sgd(trained, config, len(data.train))
    layers = list(network.modules())
    listeners = [call for layer in layers if (call := getattr(layer, "training_progress", None))]
    penalties = [call for layer in layers if (call := getattr(layer, "penalty", None))]
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # dropout and stochastic depth draw from the global generator
        trained.train()
        for number in range(1, config.epochs + 1):
            total = 0.0
            for images, labels in batches(data.train, config.batch_size, generator):
                if on_step:
                    on_step()
                for tell in listeners:
                    tell(schedule.last_epoch / schedule.total_steps)
                images = augment(normalize(images, mean, std), flip=data.flip, generator=generator).to(device)
                value = loss(network(resize(images, resolution)), labels.to(device), images)
                value = sum((penalty() for penalty in penalties), value)
                if not torch.isfinite(value):
                    raise TrainingDivergedError(f"the loss became {value.item()} in epoch {number}")
                optimizer.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(trained.parameters(), MAX_GRADIENT_NORM)
                optimizer.step()
                schedule.step()
                total += value.item() * len(labels)
            history.append(Epoch(number, total / len(data.train)))
            if on_epoch:
                on_epoch(history[-1])
    trained.eval()
    return history


def _cross_entropy(label_smoothing: float) -> LossFunction:
    def compute(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels, label_smoothing=label_smoothing)

    return compute


def one_cycle_sgd(
    network: nn.Module, config: TrainConfig, images: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.OneCycleLR]:
    """Return the optimizer of all weights of `network` and its schedule over all epochs of so many `images`."""
    from zoo.timm_import import create_optimizer_v2

    optimizer = create_optimizer_v2(network, opt="sgd", lr=config.lr, weight_decay=config.weight_decay, momentum=0.9)
    # at least 5: PyTorch divides by zero where a quarter of the steps is one
    steps = max(5, math.ceil(images / config.batch_size) * config.epochs)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=steps, pct_start=0.25)


def batches(images: ImageSet, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches; one of a single image, which batch norm cannot take, joins the one before."""
    order = torch.randperm(len(images), generator=generator)
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    for part in parts:
        yield images.images[part], images.labels[part]
