"""Block-wise self-distillation: a damaged network learns to give what it gave before, without labels."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.layers import Tap, find_layers
from model_compression.distillation.teacher import check_classes
from model_compression.methods import method
from zoo.errors import TrainingDivergedError


@method("block-wise-distillation", "distillation", paper="arXiv:1911.13053")
def recover(
    student: nn.Module,
    teacher: nn.Module,
    images: Tensor,
    *,
    epochs: int = 10,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
) -> list[float]:
    """Train `student`, a compressed copy of `teacher`, in place; return the mean loss of each epoch.

    The loss is the squared error of each stage's map and of the scores over the variance of the teacher's, after
    block-wise supervision (arXiv:1911.13053, equation 5) with all blocks trained at once. Stages whose shapes the
    compression changed are left out.

    Args:
        images: (N, C, H, W) as the networks see them: normalised and resized.

    Raises DistillationError for scores of different lengths, TrainingDivergedError for a loss that is not finite.
    """
    shape = images.shape[1:]
    layers = find_layers(teacher, shape)
    modules = dict(student.named_modules())
    layers = replace(layers, stages=tuple(name for name in layers.stages if name in modules))
    taps = (Tap(student, layers, owner="student"), Tap(teacher, layers, owner="teacher"))
    try:
        own, theirs = (tap.shapes(shape).maps for tap in taps)
        equal = [i for i, (s, t) in enumerate(zip(own, theirs, strict=True)) if s == t]
        return _train(student, teacher, images, taps, equal, epochs=epochs, batch_size=batch_size, lr=lr, seed=seed)
    finally:
        for tap in taps:
            tap.close()


def _train(
    student: nn.Module,
    teacher: nn.Module,
    images: Tensor,
    taps: tuple[Tap, Tap],
    stages: list[int],
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    seed: int,
) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(student.parameters(), lr=lr)
    size = min(batch_size, len(images))
    steps = len(images) // size  # a last small batch, which batch norm takes badly, is left out
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    history = []
    student.train()
    teacher.eval()
    for _ in range(epochs):
        total = 0.0
        for part in torch.randperm(len(images), generator=generator)[: steps * size].split(size):
            with torch.no_grad():
                targets = teacher(images[part])
            scores = student(images[part])
            check_classes(scores, targets)
            own, theirs = (tap.features().maps for tap in taps)
            pairs = [(scores, targets), *((own[i], theirs[i]) for i in stages)]
            loss = torch.stack([_relative_error(s, t) for s, t in pairs]).mean()
            if not torch.isfinite(loss):
                raise TrainingDivergedError(
                    f"the loss became {loss.item()} in epoch {len(history) + 1} of the recovery"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        history.append(total / steps)
    student.eval()
    return history


def _relative_error(student: Tensor, teacher: Tensor) -> Tensor:
    return F.mse_loss(student, teacher) / teacher.var().clamp(min=1e-8)
