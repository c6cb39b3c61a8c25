"""MobileNetV1 (Howard et al., arXiv:1704.04861)."""

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_LAYERS = (  # output channels, stride (table 1 of the paper)
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


@register_models(
    {
        "mobilenetv1_100": Variant({"width": 1.0}, top1=70.9),
        "mobilenetv1_075": Variant({"width": 0.75}, top1=68.4),
        "mobilenetv1_050": Variant({"width": 0.5}, top1=63.3),
        "mobilenetv1_025": Variant({"width": 0.25}, top1=49.8),
    },
    paper="arXiv:1704.04861",
    year=2017,
)
def mobilenetv1(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return MobileNetV1 with every layer scaled by `width`."""
    stem = BlockSpec(kind="conv", out_chans=make_divisible(32 * width), stride=2, options={"act": "relu6"})
    body = (
        BlockSpec(kind="depthwise_separable", out_chans=make_divisible(chans * width), stride=stride)
        for chans, stride in _LAYERS
    )
    return ArchSpec(resolution=resolution, blocks=(stem, *body))
