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
        "mobilenetv1_125": Variant({"width": 1.25}, top1=76.92, source="timm", timm="mobilenetv1_125"),
        "mobilenetv1_100": Variant({"width": 1.0}, top1=70.9, timm="mobilenetv1_100"),
        "mobilenetv1_100_192": Variant({"width": 1.0, "resolution": 192}, top1=70.0),
        "mobilenetv1_100_160": Variant({"width": 1.0, "resolution": 160}, top1=68.0),
        "mobilenetv1_100_128": Variant({"width": 1.0, "resolution": 128}, top1=65.2),
        "mobilenetv1_075": Variant({"width": 0.75}, top1=68.4),
        "mobilenetv1_075_192": Variant({"width": 0.75, "resolution": 192}, top1=67.2),
        "mobilenetv1_075_160": Variant({"width": 0.75, "resolution": 160}, top1=65.3),
        "mobilenetv1_075_128": Variant({"width": 0.75, "resolution": 128}, top1=62.1),
        "mobilenetv1_050": Variant({"width": 0.5}, top1=63.3),
        "mobilenetv1_050_192": Variant({"width": 0.5, "resolution": 192}, top1=61.7),
        "mobilenetv1_050_160": Variant({"width": 0.5, "resolution": 160}, top1=59.1),
        "mobilenetv1_050_128": Variant({"width": 0.5, "resolution": 128}, top1=56.3),
        "mobilenetv1_025": Variant({"width": 0.25}, top1=49.8),
        "mobilenetv1_025_192": Variant({"width": 0.25, "resolution": 192}, top1=47.7),
        "mobilenetv1_025_160": Variant({"width": 0.25, "resolution": 160}, top1=45.5),
        "mobilenetv1_025_128": Variant({"width": 0.25, "resolution": 128}, top1=41.5),
    },
    paper="arXiv:1704.04861",
    year=2017,
    top1_source="TensorFlow README",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
def mobilenetv1(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return MobileNetV1 with every layer scaled by `width`."""
    stem = BlockSpec(kind="conv", out_chans=make_divisible(32 * width), stride=2, options={"act": "relu6"})
    body = (
        BlockSpec(kind="depthwise_separable", out_chans=make_divisible(chans * width), stride=stride)
        for chans, stride in _LAYERS
    )
    return ArchSpec(resolution=resolution, blocks=(stem, *body))
