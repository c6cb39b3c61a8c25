"""Interleaved low-rank group convolutions (IGCV3-D, Sun et al., arXiv:1806.00178)."""

from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

_STAGES = (  # expansion, channels, repeats, stride: MobileNetV2's with twice as many blocks
    (1, 16, 1, 1), (6, 24, 4, 2), (6, 32, 6, 2), (6, 64, 8, 2), (6, 96, 6, 1), (6, 160, 6, 2), (6, 320, 1, 1),
)  # fmt: skip


def _even(chans: float) -> int:
    """Round to a whole number, then up to an even one: two groups must divide it."""
    return round(chans) + round(chans) % 2


@register_models(
    {
        "igcv3_025": Variant({"width": 0.25}, top1=46.3, source="pytorchcv"),
        "igcv3_050": Variant({"width": 0.5}, top1=60.25, source="pytorchcv"),
        "igcv3_070": Variant({"width": 0.7}),  # not the published "0.7", which has 20 % more multiply-adds
        "igcv3_075": Variant({"width": 0.75}, top1=68.95, source="pytorchcv"),
        "igcv3_100": Variant({"width": 1.0}, top1=72.2),
        "igcv3_140": Variant({"width": 1.4}, top1=74.5),
    },
    paper="arXiv:1806.00178",
    year=2018,
    top1_source="official README",
)
def igcv3(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return IGCV3-D; the last convolution is widened only for `width` above 1."""
    relu6 = {"act": "relu6"}
    blocks = [BlockSpec(kind="conv", out_chans=_even(32 * width), stride=2, options=relu6)]
    for expand, chans, repeats, stride in _STAGES:
        blocks += stage("igc_v3", _even(chans * width), repeats, stride, expand=float(expand))
    blocks.append(BlockSpec(kind="conv", out_chans=_even(1280 * max(width, 1.0)), options={"kernel": 1, **relu6}))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), init="he_fan_in")
