"""Images in memory, in three disjoint parts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from zoo.errors import DataError

MAX_BYTES = 4 * 2**30


@dataclass(frozen=True)
class ImageSet:
    """Images as bytes (N, C, H, W) and their classes (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: np.ndarray) -> "ImageSet":
        """Return the images at `indices`."""
        chosen = torch.as_tensor(indices)
        return ImageSet(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Splits:
    """A data set ready for a search: the test part is for the final figures alone.

    Attributes:
        classes: their names, in the order of the labels.
        flip: whether a mirrored image is still of its class; training mirrors at random then.
    """

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    flip: bool

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def in_chans(self) -> int:
        """Channels of an image: 1 grey, 3 colour."""
        return self.train.images.shape[1]

    @property
    def resolution(self) -> int:
        """Height and width of the stored images, in pixels."""
        return self.train.images.shape[-1]

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel of the training images, in 0..1."""
        # a few thousand images tell a channel's mean to three digits
        step = max(1, len(self.train) // 4096)
        sample = self.train.images[::step].float() / 255
        mean, std = sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clamp(min=1e-3)
        return tuple(round(v, 4) for v in mean.tolist()), tuple(round(v, 4) for v in std.tolist())


def expanded(path: str) -> Path:
    """Return a path that a user gave, its `~` replaced; raises DataError where there is no such home or path."""
    try:
        found = Path(path).expanduser()
        found.exists()  # refuses what no system takes for a name
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(f"no path {path[:200]!r}: {getattr(error, 'strerror', None) or error}") from None
    return found


def stratified(data: ImageSet, share: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Return `data` without and with a `share` of each class; raises DataError where a class is too small."""
    try:
        rest, part = train_test_split(
            np.arange(len(data)), test_size=share, random_state=seed, stratify=data.labels.numpy()
        )
    except ValueError as error:
        raise DataError(f"too few images to split: {error}") from None
    return data.subset(np.sort(rest)), data.subset(np.sort(part))
