"""Data sets of torchvision that the user already has on disk; nothing is downloaded."""

import inspect
from typing import Any

import numpy as np
import torch
from PIL import Image

from zoo.data import SOURCES
from zoo.data.splits import MAX_BYTES, ImageSet, Splits, expanded, stratified
from zoo.errors import DataError, first_line, unknown_name

_DEFAULT_ROOT = "~/.cache/torchvision"


@SOURCES.register("torchvision")
def torchvision_data(argument: str, *, resolution: int, seed: int) -> Splits:
    """Return a classification data set by its torchvision name, `NAME` or `NAME@ROOT`; validation is split off."""
    from zoo.timm_import import torchvision

    name, _, root = argument.partition("@")
    factories = {key: value for key, value in vars(torchvision.datasets).items() if _is_classification(value)}
    if name not in factories:
        raise unknown_name("torchvision data set", name, factories, "(torchvision:NAME[@ROOT])")
    folder = str(expanded(root or _DEFAULT_ROOT))
    train, test = (_open(factories[name], folder, is_train) for is_train in (True, False))
    classes = tuple(str(c) for c in getattr(train, "classes", ())) or tuple(str(c) for c in range(_classes(train)))
    everything = _read(train, resolution)
    kept, val = stratified(everything, 0.2, seed)
    return Splits(f"torchvision:{argument}", kept, val, _read(test, resolution), classes, flip="MNIST" not in name)


def _is_classification(value: Any) -> bool:
    if not inspect.isclass(value):
        return False
    names = inspect.signature(value.__init__).parameters
    return "train" in names or "split" in names


def _open(factory: Any, root: str, is_train: bool) -> Any:
    names = inspect.signature(factory.__init__).parameters
    part: dict[str, Any] = {"train": is_train} if "train" in names else {"split": "train" if is_train else "test"}
    try:
        return factory(root, **part)
    except Exception as error:  # each data set has errors of its own
        raise DataError(
            f"torchvision:{factory.__name__} is not in {root}: {first_line(error)}; give its place after @"
        ) from None


def _classes(data: Any) -> int:
    return 1 + max(int(data[index][1]) for index in range(len(data)))


def _read(data: Any, resolution: int) -> ImageSet:
    from zoo.timm_import import image_functional as functional

    first = functional.pil_to_tensor(data[0][0])
    chans = 1 if first.shape[0] == 1 else 3
    if len(data) * chans * resolution**2 > MAX_BYTES:
        raise DataError(f"{len(data):,} images at {resolution} pixels do not fit in {MAX_BYTES / 2**30:.0f} GiB")
    images = torch.empty(len(data), chans, resolution, resolution, dtype=torch.uint8)
    labels = np.empty(len(data), dtype=np.int64)
    for index in range(len(data)):
        picture, labels[index] = data[index]
        assert isinstance(picture, Image.Image)
        tensor = functional.pil_to_tensor(picture if chans == 1 else picture.convert("RGB"))
        scaled = functional.resize(tensor, [resolution], antialias=True)
        images[index] = functional.center_crop(scaled, [resolution, resolution])
    return ImageSet(images, torch.tensor(labels))
