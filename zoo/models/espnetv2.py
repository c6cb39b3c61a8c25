"""ESPNetV2 (Mehta et al., arXiv:1811.11431)."""

import math

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_BRANCHES = 4
_STAGES = (  # channels, receptive field of the strided unit and of the others, others, poolings of the image
    (64, 13, 13, 0, 2), (128, 11, 9, 3, 3), (256, 9, 7, 7, 4), (512, 7, 5, 3, 0),
)  # fmt: skip


@register_models(
    {
        "espnetv2_050": Variant({"width": 0.5}, top1=57.7),
        "espnetv2_100": Variant({"width": 1.0}, top1=66.1),
        "espnetv2_125": Variant({"width": 1.25}, top1=67.9),
        "espnetv2_150": Variant({"width": 1.5}, top1=69.2),
        "espnetv2_200": Variant({"width": 2.0}, top1=72.1),
    },
    paper="arXiv:1811.11431",
    year=2018,
    top1_source="official README",
)
def espnetv2(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return ESPNetV2; the first convolution has 32 channels at most, the last one 1024, or 1280 above width 1.5.

    The authors' last strided unit owns layers for the image that it never runs; they are left out here.
    """
    base = math.ceil(int(32 * width) / _BRANCHES) * _BRANCHES
    prelu = {"act": "prelu"}
    blocks = [BlockSpec(kind="conv", out_chans=min(base, 32), stride=2, options=prelu)]
    for chans, first_field, field, others, pools in _STAGES:
        chans = chans // 32 * base
        options = {"receptive_field": first_field, "image_pools": pools}
        blocks.append(BlockSpec(kind="eesp", out_chans=chans, stride=2, options=options))
        blocks += [BlockSpec(kind="eesp", out_chans=chans, options={"receptive_field": field})] * others
    last = 1280 if width > 1.5 else 1024
    blocks += [
        BlockSpec(kind="conv", out_chans=chans, options={"groups": chans, **prelu}),
        BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, "groups": _BRANCHES, **prelu}),
    ]
    head = {"options": {"dropout": 0.2}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="he_fan_out")
