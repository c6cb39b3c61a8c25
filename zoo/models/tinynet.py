"""TinyNet (Han et al., arXiv:2010.14819)."""

from zoo.models import Variant, register_models
from zoo.models.efficientnet import REPEATS, mbconv_blocks
from zoo.spec import ArchSpec

_VARIANTS = {  # width, depth, resolution (the authors' code); top-1
    "tinynet_a": (1.0, 1.2, 192, 76.8),
    "tinynet_b": (0.75, 1.1, 188, 75.0),
    "tinynet_c": (0.54, 0.85, 184, 71.2),
    "tinynet_d": (0.54, 0.695, 152, 67.0),
    "tinynet_e": (0.51, 0.6, 106, 59.9),
}


@register_models(
    {
        name: Variant({"width": width, "depth": depth, "resolution": resolution}, top1=top1, timm=name)
        for name, (width, depth, resolution, top1) in _VARIANTS.items()
    },
    paper="arXiv:2010.14819",
    year=2020,
    top1_source="official README",
)
def tinynet(width: float = 1.0, depth: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return TinyNet: EfficientNet-B0 with fewer channels and blocks; the first and last convolution stay as wide.

    `depth` times the blocks of each stage are rounded to the nearest number, at least one.
    """
    return ArchSpec(
        resolution=resolution,
        blocks=mbconv_blocks(width, [max(1, round(depth * repeats)) for repeats in REPEATS]),
        head={"options": {"dropout": 0.2}},
    )
