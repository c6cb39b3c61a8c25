"""The training of a supernet: one step serves the largest network, the smallest and some between."""

import dataclasses
import json
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from search.spaces import SearchSpace
from search.supernet.draws import sandwich
from search.supernet.files import restore, save_supernet
from search.supernet.supernet import Supernet
from zoo import ArchSpec
from zoo.data import Splits
from zoo.errors import TrainingDivergedError
from zoo.training import Epoch, TrainConfig
from zoo.training.loop import MAX_GRADIENT_NORM, batches, one_cycle_sgd
from zoo.training.preprocessing import augment, normalize, resize


@dataclass(frozen=True)
class SupernetConfig(TrainConfig):
    """How a supernet is trained: as networks are, in more and larger steps, as each serves a part of the weights.

    Attributes:
        random_networks: in each step, beside the largest and the smallest.
    """

    batch_size: int = 32
    lr: float = 0.3
    random_networks: int = 2


def train_supernet(
    space: SearchSpace,
    data: Splits,
    *,
    epochs: int,
    seed: int = 0,
    path: str | Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Supernet:
    """Return a supernet of `space` trained on the training part of `data`; see `train` for the other arguments."""
    supernet = Supernet(space, data.num_classes, data.in_chans, seed)
    train(supernet, data, SupernetConfig(epochs=epochs, seed=seed), path=path, on_epoch=on_epoch)
    return supernet


def train(
    supernet: Supernet,
    data: Splits,
    config: SupernetConfig,
    *,
    path: str | Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train `supernet` in place by the sandwich rule with in-place distillation (arXiv:1903.05134, sections 3.1, 3.2).

    In each step a largest network learns the labels, a smallest and some random ones what the largest says of the same
    images, each at its own resolution; their gradients are added up.

    Args:
        path: a file that is written after each epoch. Where it is there already the training goes on from it, to the
            same weights as one that never stopped.
        on_epoch: called after each epoch done in this call, with the loss of the largest networks.

    Raises TrainingDivergedError when a loss is not finite, SupernetError where `path` is of another training.
    """
    images = {"data": data.name, "pixels": data.resolution, "images": len(data.train)}
    training = json.dumps(dataclasses.asdict(config) | images)
    momentum, losses = restore(supernet, Path(path), training) if path is not None else ({}, [])
    optimizer, schedule = one_cycle_sgd(supernet, config, len(data.train))
    names = {weight: name for name, weight in supernet.named_parameters()}
    for weight, name in names.items():
        if name in momentum:
            optimizer.state[weight]["momentum_buffer"] = momentum[name]
    supernet.train()
    for number in range(len(losses) + 1, config.epochs + 1):
        _start_epoch(schedule, number, config)
        losses.append(_train_epoch(supernet, data, config, optimizer, schedule, number))
        if path is not None:
            left = optimizer.state if number < config.epochs else ()
            momentum = {names[weight]: optimizer.state[weight]["momentum_buffer"] for weight in left}
            save_supernet(supernet, path, momentum=momentum, training=training, losses=losses)
        if on_epoch:
            on_epoch(Epoch(number, losses[-1]))
    supernet.eval()
    return [Epoch(number, loss) for number, loss in enumerate(losses, 1)]


def _start_epoch(schedule: OneCycleLR, number: int, config: TrainConfig) -> None:
    """Put the schedule where epoch `number` starts, whether the ones before were run in this process or not."""
    schedule.last_epoch = (number - 1) * (schedule.total_steps // config.epochs) - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch misses the steps of the optimizer in the process before
        schedule.step()


def _train_epoch(
    supernet: Supernet,
    data: Splits,
    config: SupernetConfig,
    optimizer: torch.optim.Optimizer,
    schedule: OneCycleLR,
    number: int,
) -> float:
    """Pass over the images once; return the mean loss of the largest networks."""
    # an epoch's random numbers are its own: a later process has the same ones
    seed = config.seed * 1_000_003 + number
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    (mean, std), device = data.statistics(), next(supernet.parameters()).device
    total = 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # dropout and stochastic depth draw from the global generator
        for images, labels in batches(data.train, config.batch_size, generator):
            images = augment(normalize(images, mean, std), flip=data.flip, generator=generator).to(device)
            specs = sandwich(supernet.space, config.random_networks, rng)
            optimizer.zero_grad()
            losses = add_gradients(supernet, specs, images, labels.to(device), label_smoothing=config.label_smoothing)
            if not torch.isfinite(losses).all():
                raise TrainingDivergedError(f"the loss became {losses.tolist()} in epoch {number} of the supernet")
            nn.utils.clip_grad_norm_(supernet.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            total += losses[0].item() * len(labels)
    return total / len(data.train)


def add_gradients(
    supernet: Supernet, specs: Sequence[ArchSpec], images: Tensor, labels: Tensor, *, label_smoothing: float = 0.0
) -> Tensor:
    """Add the gradients of all `specs` to those of the shared weights; return their losses.

    The first learns `labels` by cross entropy, the others its scores by KL(first || other).
    """
    losses, targets = [], None
    for spec in specs:
        scores = supernet(resize(images, spec.resolution), spec)
        if targets is None:
            loss = F.cross_entropy(scores, labels, label_smoothing=label_smoothing)
            targets = F.log_softmax(scores.detach(), dim=1)
        else:
            loss = F.kl_div(F.log_softmax(scores, dim=1), targets, reduction="batchmean", log_target=True)
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses)
