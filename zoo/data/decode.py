"""Image files to tensors of one size."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from zoo.data.splits import MAX_BYTES, ImageSet
from zoo.errors import DataError

_MOST_TIMES_AS_LONG = 50


def decode_images(paths: Sequence[Path], labels: Sequence[int], resolution: int) -> ImageSet:
    """Return the images as RGB of `resolution` pixels: short side resized, middle cropped (torchvision v2).

    Raises DataError naming the first file that is not an image.
    """
    size = len(paths) * 3 * resolution**2
    if size > MAX_BYTES:
        raise DataError(
            f"{len(paths):,} images at {resolution} pixels need {size / 2**30:.1f} GiB of memory, over the limit of "
            f"{MAX_BYTES / 2**30:.0f}; take a smaller --image-size or fewer images"
        )
    from zoo.timm_import import image_functional as functional

    images = torch.empty(len(paths), 3, resolution, resolution, dtype=torch.uint8)
    for index, path in enumerate(paths):
        try:
            with Image.open(path) as opened:
                shorter, longer = sorted(opened.size)
                if longer > _MOST_TIMES_AS_LONG * shorter:  # resized by its short side it would fill the memory
                    raise ValueError(f"{longer} x {shorter} pixels are too long and narrow")
                if opened.mode.startswith(("I", "F")):  # convert() would clip them to white
                    raise ValueError(f"pixels of mode {opened.mode}, more than 8 bits a channel")
                picture = opened.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read as an image: {error}") from None
        scaled = functional.resize(functional.pil_to_tensor(picture), [resolution], antialias=True)
        images[index] = functional.center_crop(scaled, [resolution, resolution])
    return ImageSet(images, torch.tensor(labels, dtype=torch.int64))
