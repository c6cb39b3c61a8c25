"""GhostNet (Han et al., arXiv:1911.11907)."""

from zoo.blocks.layers import make_divisible
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
        "ghostnet_050": Variant({"width": 0.5}, top1=66.2),
        "ghostnet_100": Variant({"width": 1.0}, top1=73.9),
        "ghostnet_130": Variant({"width": 1.3}, top1=75.7),
    },
    paper="arXiv:1911.11907",
    year=2019,
)
def ghostnet(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return GhostNet; channels are rounded to multiples of 4."""
    chans = make_divisible(16 * width, 4)
    blocks = [BlockSpec(kind="conv", out_chans=chans, stride=2)]
    for kernel, mid, out, se_ratio, stride in _BLOCKS:
        options = {"kernel": kernel, "expand": make_divisible(mid * width, 4) / chans, "se_ratio": float(se_ratio)}
        chans = make_divisible(out * width, 4)
        blocks.append(BlockSpec(kind="ghost", out_chans=chans, stride=stride, options=options))
    blocks.append(BlockSpec(kind="conv", out_chans=make_divisible(960 * width, 4), options={"kernel": 1}))
    head = {"options": {"hidden": 1280, "dropout": 0.2}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head)
