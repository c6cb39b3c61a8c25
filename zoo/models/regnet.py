"""RegNet (Radosavovic et al., arXiv:2003.13678)."""

import math

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec


def stage_widths(w0: int, wa: float, wm: float, depth: int, group_width: int) -> list[tuple[int, int]]:
    """Return (width, blocks) of each stage out of RegNet's four numbers (paper, equations 2 to 4)."""
    per_block = []
    for index in range(depth):
        exponent = round(math.log((w0 + wa * index) / w0) / math.log(wm))
        width = round(w0 * wm**exponent / 8) * 8
        per_block.append(max(group_width, round(width / group_width) * group_width))
    return [(width, per_block.count(width)) for width in sorted(set(per_block))]


@register_models(
    {
        "regnetx_002": Variant({"w0": 24, "wa": 36.44, "wm": 2.49, "depth": 13, "group_width": 8}, top1=68.91),
        "regnetx_004": Variant({"w0": 24, "wa": 24.48, "wm": 2.54, "depth": 22, "group_width": 16}, top1=72.62),
    },
    paper="arXiv:2003.13678",
    year=2020,
)
def regnetx(w0: int, wa: float, wm: float, depth: int, group_width: int, resolution: int = 224) -> ArchSpec:
    """Return RegNetX: a stem of 32 channels and group-convolution bottlenecks of ratio 1."""
    blocks = [BlockSpec(kind="conv", out_chans=32, stride=2)]
    for width, repeats in stage_widths(w0, wa, wm, depth, group_width):
        for index in range(repeats):
            stride = 2 if index == 0 else 1
            options = {"group_width": min(group_width, width)}
            blocks.append(BlockSpec(kind="group_conv", out_chans=width, stride=stride, options=options))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks))
