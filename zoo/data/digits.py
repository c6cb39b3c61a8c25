"""scikit-learn's digits: 1,797 scanned 8x8 digits, no download."""

import torch
import torch.nn.functional as F

from zoo.data import SOURCES
from zoo.data.splits import ImageSet, Splits, stratified
from zoo.errors import DataError


@SOURCES.register("digits")
def digits(argument: str, *, resolution: int, seed: int) -> Splits:
    """Return the digits, one channel, resized bilinearly; 20 % test and 16 % validation, stratified."""
    if argument:
        raise DataError(f"data set 'digits' takes nothing after the colon, got {argument!r}")
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = torch.tensor(raw.images, dtype=torch.float32)[:, None] * (255 / 16)
    images = F.interpolate(images, size=(resolution, resolution), mode="bilinear", align_corners=False)
    everything = ImageSet(images.round().to(torch.uint8), torch.tensor(raw.target, dtype=torch.int64))
    rest, test = stratified(everything, 0.2, seed)
    train, val = stratified(rest, 0.2, seed)
    return Splits("digits", train, val, test, tuple(str(d) for d in range(10)), flip=False)
