"""Images as a network sees them, in batches: what criteria and reconstructions look at."""

import torch
from torch import Tensor

from zoo.data.splits import ImageSet, Splits
from zoo.training.preprocessing import normalize, resize


def labelled_batches(
    data: Splits,
    *,
    resolution: int,
    images: int = 256,
    batch_size: int = 64,
    part: ImageSet | None = None,
    seed: int = 0,
) -> list[tuple[Tensor, Tensor]]:
    """Return so many `images` of the training part, drawn at random, as batches (N, C, H, W) and their labels (N,).

    `part` are other images of `data` than those of training.
    """
    chosen = data.train if part is None else part
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))[:images]
    mean, std = data.statistics()
    return [
        (resize(normalize(chosen.images[i], mean, std), resolution), chosen.labels[i]) for i in order.split(batch_size)
    ]
