"""Interleaved structured sparse convolutions (IGCV2, Xie et al., arXiv:1804.06202).

There is no public code and the paper does not spell out its ImageNet networks. This is MobileNetV1 with twice the
channels and 8 groups in every 1x1 convolution, which comes to the published multiply-adds.
"""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_BLOCKS = (  # output channels of MobileNetV1, stride
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


@register_models(
    {
        "igcv2_025": Variant({"width": 0.25}, top1=54.9),
        "igcv2_050": Variant({"width": 0.5}, top1=65.5),
        "igcv2_100": Variant({"width": 1.0}, top1=70.7),
    },
    paper="arXiv:1804.06202",
    year=2018,
    top1_source="ShuffleNetV2 paper",
)
def igcv2(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return IGCV2; `width` multiplies all channels."""
    blocks = [BlockSpec(kind="conv", out_chans=int(64 * width), stride=2)]
    for chans, stride in _BLOCKS:
        blocks.append(BlockSpec(kind="igc_v2", out_chans=int(2 * chans * width), stride=stride))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), init="he_fan_in")
