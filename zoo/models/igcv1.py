"""Interleaved group convolutions in the form of ResNet-18 (Zhang et al., arXiv:1707.02725)."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec


@register_models(
    {
        "igcv1_l4m32": Variant({"stem": 128, "chans": 128, "primary": 4}, top1=69.23),
        "igcv1_l16m16": Variant({"stem": 256, "chans": 256, "primary": 16}, top1=70.6),
        "igcv1_l100m2": Variant({"stem": 100, "chans": 200, "primary": 100, "widen_primary": True}, top1=73.05),
    },
    paper="arXiv:1707.02725",
    year=2017,
    top1_source="official README",
)
def igcv1(stem: int, chans: int, primary: int, widen_primary: bool = False, resolution: int = 224) -> ArchSpec:
    """Return IGC with identity shortcuts; from stage to stage `chans` doubles, and with it one kind of group.

    These are the primary groups if `widen_primary` (M is constant), else the secondary ones (L is).
    """
    blocks = [
        BlockSpec(kind="conv", out_chans=stem, stride=2, options={"kernel": 7}),
        BlockSpec(kind="max_pool", out_chans=stem, stride=2),
    ]
    for stage in range(4):
        options = {"primary": primary << stage if widen_primary else primary}
        for stride in (2 if stage else 1, 1):
            blocks.append(BlockSpec(kind="igc_v1", out_chans=chans << stage, stride=stride, options=options))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), bn_eps=2e-5, init="he_fan_in")
