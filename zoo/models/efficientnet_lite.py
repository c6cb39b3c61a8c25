"""EfficientNet-Lite (authors' code: tensorflow/tpu, models/official/efficientnet/lite)."""

import math

from zoo.models import Variant, register_models
from zoo.models.efficientnet import REPEATS, mbconv_blocks
from zoo.spec import ArchSpec

_VARIANTS = {  # width, depth, resolution, dropout; top-1
    "efficientnet_lite0": (1.0, 1.0, 224, 0.2, 75.1),
    "efficientnet_lite1": (1.0, 1.1, 240, 0.2, 76.7),
    "efficientnet_lite2": (1.1, 1.2, 260, 0.3, 77.6),
    "efficientnet_lite3": (1.2, 1.4, 280, 0.3, 79.8),
    "efficientnet_lite4": (1.4, 1.8, 300, 0.3, 81.5),
}


@register_models(
    {
        name: Variant(
            {"width": width, "depth": depth, "resolution": resolution, "dropout": dropout},
            top1=top1,
            timm=f"tf_{name}",
        )
        for name, (width, depth, resolution, dropout, top1) in _VARIANTS.items()
    },
    paper="arXiv:1905.11946",
    year=2020,
    top1_source="official README",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
def efficientnet_lite(width: float = 1.0, depth: float = 1.0, resolution: int = 224, dropout: float = 0.2) -> ArchSpec:
    """Return EfficientNet-Lite: ReLU6, no squeeze-and-excitation; the ends of the network are not scaled.

    These are the channels of the first and the last convolution and the blocks of the first and the last stage.
    """
    first, *inner, last = REPEATS
    return ArchSpec(
        resolution=resolution,
        blocks=mbconv_blocks(
            width, [first, *(math.ceil(depth * repeats) for repeats in inner), last], options={"act": "relu6"}
        ),
        head={"options": {"dropout": dropout}},
        bn_eps=1e-3,
        bn_momentum=0.01,
        padding="same",
    )
