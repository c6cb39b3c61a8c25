"""SqueezeNext (Gholami et al., arXiv:1803.10615), as in the authors' Caffe files.

Widths of 2.0 double neither the stem nor the 128 channels before the classifier, which has no bias.
"""

from typing import Any

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_CHANS = (32, 64, 128, 256)
_V5: dict[str, Any] = {"repeats": (2, 4, 14, 1), "stem_kernel": 5, "project_first": True}


@register_models(
    {
        "sqnxt23_w1": Variant(top1=59.05),
        "sqnxt23_w2": Variant({"width": 2}, top1=67.18),
        "sqnxt23g_w1": Variant({"groups": 2}),
        "sqnxt23v5_w1": Variant(_V5, top1=59.24),
        "sqnxt23v5_w2": Variant({**_V5, "width": 2}, top1=67.44),
    },
    paper="arXiv:1803.10615",
    year=2018,
)
def squeezenext(
    width: int = 1,
    groups: int = 1,
    repeats: tuple[int, int, int, int] = (6, 6, 8, 1),
    stem_kernel: int = 7,
    project_first: bool = False,
    resolution: int = 227,
) -> ArchSpec:
    """Return SqueezeNext of depth 23 with `repeats` blocks a stage, whose order of 3x1 and 1x3 alternates."""
    blocks = [
        BlockSpec(kind="conv", out_chans=64, stride=2, options={"kernel": stem_kernel, "padding": 0}),
        BlockSpec(kind="max_pool", out_chans=64, stride=2, options={"padding": 0, "ceil_mode": True}),
    ]
    for stage, (chans, count) in enumerate(zip(_CHANS, repeats, strict=True)):
        for index in range(count):
            first = index == 0
            options = {
                "groups": groups,
                "column_first": index % 2 == 0,
                "project": first,
                "project_first": first and project_first,
            }
            stride = 2 if first and stage > 0 else 1
            blocks.append(BlockSpec(kind="squeezenext", out_chans=chans * width, stride=stride, options=options))
    blocks.append(BlockSpec(kind="conv", out_chans=128, options={"kernel": 1}))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head={"options": {"bias": False}}, init="xavier")
