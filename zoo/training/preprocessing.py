"""Bytes to what a network sees: normalised, resized, and for training randomly moved."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_MAX_ANGLE = math.radians(10)
_MAX_SHIFT = 0.25  # of half the image: an eighth of its width
_MAX_ZOOM = 0.1


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return byte images (N, C, H, W) as float32 with `mean` taken off and divided by `std`, both in 0..1."""
    shape = (1, -1, 1, 1)
    return (images.float() / 255 - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)


def resize(images: Tensor, resolution: int) -> Tensor:
    """Return float images (N, C, H, W) at `resolution` pixels."""
    if images.shape[-1] == resolution:
        return images
    return F.interpolate(images, size=(resolution, resolution), mode="bilinear", antialias=True, align_corners=False)


def augment(images: Tensor, *, flip: bool, generator: torch.Generator) -> Tensor:
    """Return float images (N, C, H, W) rotated, shifted and zoomed at random, each for itself; mirrored if `flip`."""
    count = images.shape[0]

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle, zoom = uniform(_MAX_ANGLE), 1 + uniform(_MAX_ZOOM)
    mirror = torch.ones(count)
    if flip:
        mirror = torch.randint(0, 2, (count,), generator=generator) * 2.0 - 1.0
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = (cos * mirror, -sin, uniform(_MAX_SHIFT), sin * mirror, cos, uniform(_MAX_SHIFT))
    grid = F.affine_grid(torch.stack(rows, 1).view(count, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
