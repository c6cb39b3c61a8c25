"""Folders of images, one folder a class."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from zoo.data import SOURCES
from zoo.data.decode import decode_images
from zoo.data.splits import ImageSet, Splits, expanded, stratified
from zoo.errors import DataError

_SUFFIXES = (".jpg", ".jpeg", ".png")
_TRAIN, _VAL, _TEST = ("train", "training"), ("val", "valid", "validation"), ("test",)


@SOURCES.register("folder")
def folder(argument: str, *, resolution: int, seed: int) -> Splits:
    """Return the images below a path: class folders, or train/ and test/ and/or val/ with class folders below.

    What is missing of the three parts is split off by `seed`, stratified: 20 % for the test, then 20 % of the
    rest for validation. Images of any size are resized on the short side and cropped in the middle.
    """
    if not argument:
        raise DataError("folder needs a path: folder:PATH")
    root = expanded(argument)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    parts = {kind: _child(root, names) for kind, names in (("train", _TRAIN), ("val", _VAL), ("test", _TEST))}
    base = parts["train"] or root
    classes = _classes(base)
    train = _read(base, classes, resolution)
    given = {kind: _read(path, classes, resolution) for kind, path in parts.items() if path and kind != "train"}
    if parts["train"] is None:
        given = {}
    if "test" in given:
        test = given["test"]
    else:
        train, test = stratified(train, 0.2, seed)
    if "val" in given:
        val = given["val"]
    else:
        train, val = stratified(train, 0.2, seed)
    return Splits(f"folder:{root.resolve()}", train, val, test, tuple(classes), flip=True)


def _child(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _classes(root: Path) -> list[str]:
    classes = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise DataError(f"{root} has no class folders: put the images of each class in a folder of its name")
    if len(classes) == 1:
        raise DataError(f"{root} has one class only ({classes[0]!r}); a classifier needs two or more")
    return classes


def _read(root: Path, classes: list[str], resolution: int) -> ImageSet:
    unknown = sorted({p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")} - set(classes))
    if unknown:
        raise DataError(f"{root} has the class folder {unknown[0]!r}, which the training images lack")
    samples = [(path, target) for target, name in enumerate(classes) for path in _images(root / name)]
    samples.sort(key=lambda sample: _natural(str(sample[0])))
    if not samples:
        raise DataError(f"{root} holds no images (jpg, jpeg, png)")
    counts = torch.bincount(torch.tensor([target for _, target in samples]), minlength=len(classes))
    empty = [name for name, count in zip(classes, counts.tolist(), strict=True) if count == 0]
    if empty:
        raise DataError(f"{root} holds no images of class {empty[0]!r}")
    return decode_images([path for path, _ in samples], [target for _, target in samples], resolution)


def _images(folder: Path) -> list[Path]:
    """Return the image files in `folder` itself: cat/dog/1.png is neither a cat nor a dog."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and not path.is_dir()]


def _natural(text: str) -> list[int | str]:
    """Return a key by which 10.png comes after 9.png."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text.lower())]
