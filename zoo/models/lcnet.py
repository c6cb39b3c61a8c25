"""PP-LCNet (Cui et al., arXiv:2109.15099)."""

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_LAYERS = (  # kernel, channels, squeeze-and-excitation ratio, stride (PaddleClas)
    (3, 32, 0, 1), (3, 64, 0, 2), (3, 64, 0, 1), (3, 128, 0, 2), (3, 128, 0, 1), (3, 256, 0, 2),
    (5, 256, 0, 1), (5, 256, 0, 1), (5, 256, 0, 1), (5, 256, 0, 1), (5, 256, 0, 1),
    (5, 512, 0.25, 2), (5, 512, 0.25, 1),
)  # fmt: skip


@register_models(
    {
        "lcnet_025": Variant({"width": 0.25}, top1=51.86),
        "lcnet_035": Variant({"width": 0.35}, top1=58.09, timm="lcnet_035"),
        "lcnet_050": Variant({"width": 0.5}, top1=63.14, timm="lcnet_050"),
        "lcnet_075": Variant({"width": 0.75}, top1=68.18, timm="lcnet_075"),
        "lcnet_100": Variant({"width": 1.0}, top1=71.32, timm="lcnet_100"),
        "lcnet_150": Variant({"width": 1.5}, top1=73.71, timm="lcnet_150"),
        "lcnet_200": Variant({"width": 2.0}, top1=75.18),
        "lcnet_250": Variant({"width": 2.5}, top1=76.6),
    },
    paper="arXiv:2109.15099",
    year=2021,
    top1_source="PaddleClas",
)
def lcnet(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return PP-LCNet; as in timm the layer behind the pooling has a bias, which PaddleClas leaves out."""
    act = {"act": "hard_swish"}
    blocks = [BlockSpec(kind="conv", out_chans=make_divisible(16 * width), stride=2, options=act)]
    for kernel, chans, se_ratio, stride in _LAYERS:
        options = {"kernel": kernel, "se_ratio": float(se_ratio), "se_divisor": 1, **act}
        out_chans = make_divisible(chans * width)
        blocks.append(BlockSpec(kind="depthwise_separable", out_chans=out_chans, stride=stride, options=options))
    head = {"options": {"hidden": 1280, "dropout": 0.2, **act}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="he_fan_in")
