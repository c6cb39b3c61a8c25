"""Data sets by name: `digits`, `folder:PATH`, `torchvision:NAME`. A new source is one file with `@SOURCES.register`.

A source is a function of what follows the colon; it returns `Splits`.
"""

from collections.abc import Callable

from zoo.data.splits import ImageSet, Splits
from zoo.registry import Registry

SOURCES: Registry[Callable[..., Splits]] = Registry("data set", "zoo.data", "(digits, folder:PATH, torchvision:NAME)")


def load_data(name: str, *, resolution: int = 32, seed: int = 0) -> Splits:
    """Return the train, validation and test images of a data set.

    Args:
        name: `digits`, `folder:PATH` or `torchvision:NAME[@ROOT]`.
        resolution: height and width to which every image is brought, in pixels.
        seed: of the split where the data comes without one.

    Raises DataError in one line where images are missing, unreadable or of one class only.
    """
    source, _, argument = name.partition(":")
    return SOURCES.get(source)(argument, resolution=resolution, seed=seed)


__all__ = ["SOURCES", "ImageSet", "Splits", "load_data"]
