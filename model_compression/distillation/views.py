"""What self-supervised learning shows of an image: a part of it, in other colours."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_MAX_ASPECT = 4 / 3
_JITTER, _JITTERED, _GREY = 0.4, 0.8, 0.2


def random_views(images: Tensor, *, flip: bool, generator: torch.Generator, min_area: float = 0.2) -> Tensor:
    """Return normalised images (N, C, H, W) cropped at random and resized, mirrored if `flip`, in other colours.

    The augmentation of MoCo v2 (arXiv:2003.04297) without hue and blur, of which small images have little. Brightness,
    contrast and saturation change by up to 0.4 in 80 % of the images, 20 % become grey.

    Args:
        generator: on the CPU.
        min_area: smallest share of an image that is left.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=generator)

    area, aspect = uniform(min_area, 1), uniform(-1, 1).mul(math.log(_MAX_ASPECT)).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    side = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if flip else torch.ones_like(area)
    nothing, left, top = torch.zeros_like(area), uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    theta = torch.cat((width * side, nothing, left, nothing, height, top), 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False).to(images.device)
    views = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    jitter = torch.where(uniform(0, 1) < _JITTERED, _JITTER, 0.0)
    shift, contrast, saturation = (jitter * uniform(-1, 1) for _ in range(3))
    saturation = torch.where(uniform(0, 1) < _GREY, -1.0, saturation)
    shift, contrast, saturation = (change.to(images.device) for change in (shift, contrast, saturation))
    views = views + contrast * (views - views.mean((1, 2, 3), keepdim=True)) + shift
    return views + saturation * (views - views.mean(1, keepdim=True))
