"""DisCo: a lightweight network learns from images without labels, with a self-supervised teacher.

teacher = Embedder(create_model("timm/resnet18", 0), shape)
disco(teacher, None, images, config)  # without a teacher: MoCo v2
student = Embedder(create_model("mobilenetv3_small_050", 0), shape)
disco(student, teacher, images, config)
student.network  # as before, its weights learned: give it a classifier, and train that with the labels there are
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model_compression.distillation.views import random_views
from model_compression.errors import DistillationError
from model_compression.methods import method
from zoo.errors import TrainingDivergedError
from zoo.training import TrainConfig
from zoo.training.loop import MAX_GRADIENT_NORM, one_cycle_sgd


class Embedder(nn.Module):
    """A network and the MLP by which it is compared while it learns: (N, C, H, W) -> (N, chans).

    Args:
        network: images -> pooled features (N, D); `create_model(name, num_classes=0)`.
        image_shape: (C, H, W).
        chans: of the embedding, as many for student and teacher.
        hidden: inside the MLP. One as narrow as the features of a lightweight network is what the paper calls the
            distilling bottleneck; a wide one costs nothing later, when the MLP is gone.
        seed: of the MLP's weights.
    """

    def __init__(
        self, network: nn.Module, image_shape: Sequence[int], *, chans: int = 128, hidden: int = 2048, seed: int = 0
    ) -> None:
        super().__init__()
        self.network = network
        training = network.training
        with torch.no_grad():
            features = network.eval()(torch.zeros(1, *image_shape))
        network.train(training)
        if features.ndim != 2:
            raise DistillationError(
                f"the network gives {tuple(features.shape)} for an image; make one of pooled features, with 0 classes"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.mlp = nn.Sequential(nn.Linear(features.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, chans))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.network(x))


@dataclass(frozen=True)
class DiscoEpoch:
    """Mean losses of one pass over the images."""

    number: int
    contrast: float
    consistency: float


@method("disco", "distillation", paper="arXiv:2104.09124")
@method("moco-v2", "distillation", paper="arXiv:2003.04297")
def disco(
    student: nn.Module,
    teacher: nn.Module | None,
    images: Tensor,
    config: TrainConfig,
    *,
    flip: bool = False,
    min_area: float = 0.2,
    weight: float = 32.0,
    temperature: float = 0.2,
    momentum: float = 0.99,
    queue: int = 256,
) -> list[DiscoEpoch]:
    """Train `student` in place on two random views of each image (Gao et al., arXiv:2104.09124).

    The loss is MoCo v2's (arXiv:2003.04297), between the student's embedding of the first view and its mean student's
    of the second, and `weight` times the distance of its embeddings of both views from the teacher's. The mean student
    moves with the student's weights and normalises with their averaged statistics, so that a batch does not tell which
    of its images belong together (arXiv:2101.08482).

    Args:
        student: images -> embeddings; an Embedder.
        teacher: likewise, with embeddings as long, trained before; None for MoCo v2 alone.
        images: (N, C, H, W) as the networks see them: normalised and resized.
        flip: whether a mirrored image is as good as the image.
        min_area: smallest share of an image in a view.
        weight: of the distances, a mean over images where the authors' code sums over a batch.
        temperature: of the contrast.
        momentum: of the mean student; the nearer to 1 the more steps there should be.
        queue: earlier keys that are kept for the contrast beside those of the batch, much fewer than there are images.
            MoCo v2 has the queue alone; while a network learns fast, keys of another age are told apart by it.

    Equal arguments give equal weights on one machine. Raises DistillationError where the embeddings or the images do
    not fit, TrainingDivergedError for a loss that is not finite.
    """
    size = min(config.batch_size, len(images))
    if size < 2:
        raise DistillationError(f"{len(images)} images in batches of {config.batch_size}; at least 2 are compared")
    generator = torch.Generator().manual_seed(config.seed)
    device = next(student.parameters()).device
    mean_student = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(momentum), use_buffers=True).eval()
    optimizer, schedule = one_cycle_sgd(student, config, len(images))
    history, past = [], None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # dropout draws from the global generator
        student.train()
        for number in range(1, config.epochs + 1):
            losses = []
            # a last small batch, which batch norm takes badly, is left out
            for part in torch.randperm(len(images), generator=generator)[: len(images) // size * size].split(size):
                shown = images[part].repeat(2, 1, 1, 1)
                views = random_views(shown, flip=flip, min_area=min_area, generator=generator).to(device)
                own = F.normalize(student(views))
                with torch.no_grad():
                    keys = F.normalize(mean_student(views[size:]))
                    targets = None if teacher is None else _embed(teacher, views, own)
                past = keys[:0] if past is None else past
                contrast = info_nce(own[:size], keys, past, temperature=temperature)
                distance = consistency(own, targets) if targets is not None else torch.zeros_like(contrast)
                loss = contrast + weight * distance
                if not torch.isfinite(loss):
                    raise TrainingDivergedError(f"the loss became {loss.item()} in epoch {number} of DisCo")
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(student.parameters(), MAX_GRADIENT_NORM)
                optimizer.step()
                schedule.step()
                mean_student.update_parameters(student)
                past = torch.cat((keys, past))[:queue]
                losses.append((contrast.item(), distance.item()))
            history.append(DiscoEpoch(number, *torch.tensor(losses).mean(0).tolist()))
    student.eval()
    return history


def info_nce(queries: Tensor, keys: Tensor, past: Tensor, *, temperature: float) -> Tensor:
    """Return the cross entropy of finding key i among all keys and `past` ones by query i (arXiv:1911.05722, eq. 1).

    Queries and keys are (N, C), past keys (M, C), all of length 1.
    """
    scores = queries @ torch.cat((keys, past)).T / temperature
    return F.cross_entropy(scores, torch.arange(len(queries), device=queries.device))


def consistency(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the squared distance of embeddings of length 1, (2 N, C) of two views, summed over the views of an image.

    A mean over images.
    """
    return 2 * (student - teacher).pow(2).sum(1).mean()


def _embed(teacher: nn.Module, views: Tensor, student: Tensor) -> Tensor:
    embedding = teacher.eval()(views)
    if embedding.shape != student.shape:
        own, theirs = student.shape[1], embedding.shape[1:]
        raise DistillationError(
            f"embeddings of the student are {own} long, the teacher's {(*theirs,)}; make them equal"
        )
    return F.normalize(embedding)
