"""RepGhostNet (Chen et al., arXiv:2211.06088)."""

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_BLOCKS = (  # kernel, middle channels, output channels, squeeze-and-excitation ratio, stride (authors' code)
    (3, 8, 16, 0, 1),
    (3, 24, 24, 0, 2), (3, 36, 24, 0, 1),
    (5, 36, 40, 0.25, 2), (5, 60, 40, 0.25, 1),
    (3, 120, 80, 0, 2), (3, 100, 80, 0, 1), (3, 120, 80, 0, 1), (3, 120, 80, 0, 1),
    (3, 240, 112, 0.25, 1), (3, 336, 112, 0.25, 1),
    (5, 336, 160, 0.25, 2), (5, 480, 160, 0, 1), (5, 480, 160, 0.25, 1), (5, 480, 160, 0, 1), (5, 480, 160, 0.25, 1),
)  # fmt: skip


@register_models(
    {
        "repghostnet_050": Variant({"width": 0.5}, top1=66.9, timm="repghostnet_050"),
        "repghostnet_058": Variant({"width": 0.58}, top1=68.9, timm="repghostnet_058"),
        "repghostnet_080": Variant({"width": 0.8}, top1=72.2, timm="repghostnet_080"),
        "repghostnet_100": Variant({"width": 1.0}, top1=74.2, timm="repghostnet_100"),
        "repghostnet_111": Variant({"width": 1.11}, top1=75.1, timm="repghostnet_111"),
        "repghostnet_130": Variant({"width": 1.3}, top1=76.4, timm="repghostnet_130"),
        "repghostnet_150": Variant({"width": 1.5}, top1=77.5, timm="repghostnet_150"),
        "repghostnet_200": Variant({"width": 2.0}, top1=78.8, timm="repghostnet_200"),
    },
    paper="arXiv:2211.06088",
    year=2022,
    top1_source="official README",
)
def repghostnet(width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return RepGhostNet as it is trained; `.deployed()` is the form that is shipped."""
    chans = make_divisible(16 * width, 4)
    blocks = [BlockSpec(kind="conv", out_chans=chans, stride=2)]
    for kernel, mid, out, se_ratio, stride in _BLOCKS:
        options = {"kernel": kernel, "expand": make_divisible(mid * width, 4) / chans, "se_ratio": float(se_ratio)}
        chans = make_divisible(out * width, 4)
        blocks.append(BlockSpec(kind="rep_ghost", out_chans=chans, stride=stride, options=options))
    blocks.append(BlockSpec(kind="conv", out_chans=make_divisible(960 * width, 4), options={"kernel": 1}))
    head = {"options": {"hidden": 1280, "dropout": 0.2}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="pytorch")
