"""MobileNetV2 (Sandler et al., arXiv:1801.04381)."""

import math

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

_STAGES = (  # expansion, channels, repeats, stride (table 2 of the paper)
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
_SMALLER = "d-li14/mobilenetv2.pytorch"


@register_models(
    {
        "mobilenetv2_010": Variant({"width": 0.1, "divisor": 4}, top1=34.9, source=_SMALLER),
        "mobilenetv2_025": Variant({"width": 0.25}, top1=52.35, source=_SMALLER),
        "mobilenetv2_035": Variant({"width": 0.35}, top1=60.3, timm="mobilenetv2_035"),
        "mobilenetv2_050": Variant({"width": 0.5}, top1=65.4, timm="mobilenetv2_050"),
        "mobilenetv2_075": Variant({"width": 0.75}, top1=69.8, timm="mobilenetv2_075"),
        "mobilenetv2_100": Variant({"width": 1.0}, top1=71.8, timm="mobilenetv2_100", torchvision="mobilenet_v2"),
        "mobilenetv2_130": Variant({"width": 1.3}, top1=74.4),
        "mobilenetv2_140": Variant({"width": 1.4}, top1=75.0, timm="mobilenetv2_140"),
        "mobilenetv2_110d": Variant({"width": 1.1, "depth": 1.2}, top1=75.05, source="timm", timm="mobilenetv2_110d"),
        "mobilenetv2_120d": Variant({"width": 1.2, "depth": 1.4}, top1=77.3, source="timm", timm="mobilenetv2_120d"),
    },
    paper="arXiv:1801.04381",
    year=2018,
    top1_source="TensorFlow README",
)
def mobilenetv2(width: float = 1.0, depth: float = 1.0, divisor: int = 8, resolution: int = 224) -> ArchSpec:
    """Return MobileNetV2; the last convolution is widened only for `width` above 1.

    `depth` above 1 repeats the blocks of the middle stages more often and keeps both ends of the network as they are
    at width 1 (timm). Channels are rounded to multiples of `divisor`.
    """
    ends_width = width if depth == 1 else 1.0
    relu6 = {"act": "relu6"}
    blocks = [BlockSpec(kind="conv", out_chans=make_divisible(32 * ends_width, divisor), stride=2, options=relu6)]
    for expand, chans, repeats, stride in _STAGES:
        count = repeats if repeats == 1 else math.ceil(repeats * depth)
        out_chans = make_divisible(chans * width, divisor)
        blocks += stage("inverted_residual", out_chans, count, stride, expand=float(expand))
    last = make_divisible(1280 * max(ends_width, 1.0))
    blocks.append(BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, **relu6}))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head={"options": {"dropout": 0.2}})
