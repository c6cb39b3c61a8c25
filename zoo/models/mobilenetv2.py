"""MobileNetV2 (Sandler et al., arXiv:1801.04381)."""

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_STAGES = (  # expansion, channels, repeats, stride (table 2 of the paper)
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


@register_models(
    {
        "mobilenetv2_035": Variant({"width": 0.35}, top1=60.3),
        "mobilenetv2_050": Variant({"width": 0.5}, top1=65.4),
        "mobilenetv2_075": Variant({"width": 0.75}, top1=69.8),
        "mobilenetv2_100": Variant({"width": 1.0}, top1=71.8),
        "mobilenetv2_140": Variant({"width": 1.4}, top1=75.0),
    },
    paper="arXiv:1801.04381",
    year=2018,
)
def mobilenetv2(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return MobileNetV2; the last convolution is widened only for `width` above 1."""
    relu6 = {"act": "relu6"}
    blocks = [BlockSpec(kind="conv", out_chans=make_divisible(32 * width), stride=2, options=relu6)]
    for expand, chans, repeats, stride in _STAGES:
        for index in range(repeats):
            blocks.append(
                BlockSpec(
                    kind="inverted_residual",
                    out_chans=make_divisible(chans * width),
                    stride=stride if index == 0 else 1,
                    options={"expand": float(expand)},
                )
            )
    last = make_divisible(1280 * max(width, 1.0))
    blocks.append(BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, **relu6}))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head={"options": {"dropout": 0.2}})
