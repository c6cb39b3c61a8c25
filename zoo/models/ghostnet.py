"""GhostNet (Han et al., arXiv:1911.11907) and GhostNetV2 (Tang et al., arXiv:2211.12905)."""

from zoo.blocks.layers import make_divisible
from zoo.initialization import Scheme
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_BLOCKS = (  # kernel, middle channels, output channels, squeeze-and-excitation ratio, stride (table 7 of the paper)
    (3, 16, 16, 0, 1),
    (3, 48, 24, 0, 2), (3, 72, 24, 0, 1),
    (5, 72, 40, 0.25, 2), (5, 120, 40, 0.25, 1),
    (3, 240, 80, 0, 2), (3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1),
    (3, 480, 112, 0.25, 1), (3, 672, 112, 0.25, 1),
    (5, 672, 160, 0.25, 2), (5, 960, 160, 0, 1), (5, 960, 160, 0.25, 1), (5, 960, 160, 0, 1), (5, 960, 160, 0.25, 1),
)  # fmt: skip


@register_models(
    {
        "ghostnet_050": Variant({"width": 0.5}, top1=66.2, timm="ghostnet_050"),
        "ghostnet_100": Variant({"width": 1.0}, top1=73.9, timm="ghostnet_100"),
        "ghostnet_130": Variant({"width": 1.3}, top1=75.7, timm="ghostnet_130"),
    },
    paper="arXiv:1911.11907",
    year=2019,
)
def ghostnet(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return GhostNet; channels are rounded to multiples of 4."""
    return _spec(width, resolution, attention_from=len(_BLOCKS), init="he_fan_in")


@register_models(
    {
        "ghostnetv2_100": Variant({"width": 1.0}, top1=75.19, timm="ghostnetv2_100"),
        "ghostnetv2_130": Variant({"width": 1.3}, top1=76.75, timm="ghostnetv2_130"),
        "ghostnetv2_160": Variant({"width": 1.6}, top1=77.84, timm="ghostnetv2_160"),
    },
    paper="arXiv:2211.12905",
    year=2022,
    top1_source="timm",
)
def ghostnetv2(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return GhostNetV2: GhostNet with attention in all blocks but the first two."""
    return _spec(width, resolution, attention_from=2, init="pytorch")


def _spec(width: float, resolution: int, *, attention_from: int, init: Scheme) -> ArchSpec:
    chans = make_divisible(16 * width, 4)
    blocks = [BlockSpec(kind="conv", out_chans=chans, stride=2)]
    for index, (kernel, mid, out, se_ratio, stride) in enumerate(_BLOCKS):
        options = {
            "kernel": kernel,
            "expand": make_divisible(mid * width, 4) / chans,
            "se_ratio": float(se_ratio),
            "attention": index >= attention_from,
        }
        chans = make_divisible(out * width, 4)
        blocks.append(BlockSpec(kind="ghost", out_chans=chans, stride=stride, options=options))
    blocks.append(BlockSpec(kind="conv", out_chans=make_divisible(960 * width, 4), options={"kernel": 1}))
    head = {"options": {"hidden": 1280, "dropout": 0.2}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init=init)
