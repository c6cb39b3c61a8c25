"""EfficientNet (Tan and Le, arXiv:1905.11946)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

STAGES = (  # expansion, kernel, channels, repeats, stride (table 1 of the paper)
    (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1),
)  # fmt: skip
REPEATS = tuple(repeats for _, _, _, repeats, _ in STAGES)

SWISH_AND_SE: Mapping[str, Any] = {
    "act": "silu",
    "se_ratio": 0.25,
    "se_of": "input",
    "se_divisor": 1,
    "se_act": "silu",
    "se_gate": "sigmoid",
}


def mbconv_blocks(
    width: float, repeats: Sequence[int], *, stem: int = 32, last: int = 1280, options: Mapping[str, Any] = SWISH_AND_SE
) -> tuple[BlockSpec, ...]:
    """Return EfficientNet's blocks with `repeats` of each stage and its channels times `width`.

    `stem` and `last` are the channels of the first and the last convolution, `options` those of every block between.
    """
    act = {"act": options["act"]}
    blocks = [BlockSpec(kind="conv", out_chans=stem, stride=2, options=act)]
    for (expand, kernel, chans, _, stride), count in zip(STAGES, repeats, strict=True):
        shape = {"expand": float(expand), "kernel": kernel}
        blocks += stage("inverted_residual", make_divisible(chans * width), count, stride, **shape, **options)
    blocks.append(BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, **act}))
    return tuple(blocks)


_VARIANTS = {  # width, depth, resolution, dropout (the authors' code); top-1 with AutoAugment
    "efficientnet_b0": (1.0, 1.0, 224, 0.2, 77.1),
    "efficientnet_b1": (1.0, 1.1, 240, 0.2, 79.1),
    "efficientnet_b2": (1.1, 1.2, 260, 0.3, 80.1),
    "efficientnet_b3": (1.2, 1.4, 300, 0.3, 81.6),
    "efficientnet_b4": (1.4, 1.8, 380, 0.4, 82.9),
    "efficientnet_b5": (1.6, 2.2, 456, 0.4, 83.6),
    "efficientnet_b6": (1.8, 2.6, 528, 0.5, 84.0),
    "efficientnet_b7": (2.0, 3.1, 600, 0.5, 84.3),
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
    year=2019,
    top1_source="official README",
)
def efficientnet(width: float = 1.0, depth: float = 1.0, resolution: int = 224, dropout: float = 0.2) -> ArchSpec:
    """Return EfficientNet; `depth` times the blocks of each stage are rounded up."""
    return ArchSpec(
        resolution=resolution,
        blocks=mbconv_blocks(
            width,
            [math.ceil(depth * repeats) for repeats in REPEATS],
            stem=make_divisible(32 * width),
            last=make_divisible(1280 * width),
        ),
        head={"options": {"dropout": dropout}},
        bn_eps=1e-3,
        bn_momentum=0.01,
        padding="same",
    )
