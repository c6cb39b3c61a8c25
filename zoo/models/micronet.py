"""MicroNet (Li et al., arXiv:2108.05894), with the settings of the authors' training scripts."""

from typing import Any

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

# kernel, channels, stride, groups
_LITE = {
    "m0": ((3, 8, 2, 2), (3, 12, 2, 4), (5, 16, 2, 4)),
    "m1": ((3, 8, 2, 2), (3, 16, 2, 4), (5, 16, 2, 4)),
    "m2": ((3, 12, 2, 4), (3, 16, 2, 4), (3, 24, 1, 4)),
    "m3": ((3, 16, 2, 4), (3, 24, 2, 4), (3, 24, 1, 4)),
}
# kernel, channels, stride, groups of the expansion, groups of the compression, reduction
_REGULAR = {
    "m0": ((5, 32, 1, 4, 4, 8), (5, 64, 2, 8, 8, 8), (3, 96, 1, 8, 8, 16)),
    "m1": ((5, 32, 1, 4, 4, 8), (5, 64, 2, 8, 8, 8), (3, 96, 1, 8, 8, 16)),
    "m2": (
        (5, 32, 2, 6, 4, 8), (5, 32, 1, 8, 4, 16), (5, 64, 1, 8, 8, 16), (5, 96, 2, 8, 8, 16), (3, 128, 1, 12, 8, 16),
    ),
    "m3": (
        (5, 32, 2, 6, 4, 8), (5, 32, 1, 8, 4, 16), (5, 64, 1, 8, 8, 16), (5, 80, 1, 8, 8, 16), (5, 80, 1, 10, 8, 16),
        (5, 120, 2, 10, 10, 16), (5, 120, 1, 12, 10, 16), (3, 144, 1, 12, 12, 16),
    ),
}  # fmt: skip


@register_models(
    {
        "micronet_m0": Variant({"size": "m0", "stem": (4, 2), "expand": 4, "hidden": 640, "dropout": 0.05}, top1=46.6),
        "micronet_m1": Variant({"size": "m1", "stem": (6, 2), "hidden": 960, "dropout": 0.05}, top1=51.4),
        "micronet_m2": Variant({"size": "m2", "stem": (8, 2), "last_groups": 16}, top1=59.4),
        "micronet_m3": Variant({"size": "m3", "stem": (12, 3), "dynamic_only_after_dw": True}, top1=62.5),
    },
    paper="arXiv:2108.05894",
    year=2021,
    top1_source="official README",
)
def micronet(
    size: str,
    stem: tuple[int, int],
    expand: int = 6,
    last_groups: int = 12,
    hidden: int = 1024,
    dropout: float = 0.1,
    dynamic_only_after_dw: bool = False,
    resolution: int = 224,
) -> ArchSpec:
    """Return MicroNet of a `size` "m0" to "m3".

    Args:
        stem: its channels and the multiplier of its depthwise factor.
        expand: of the regular blocks and of the last pointwise convolution, which has `last_groups`.
        hidden, dropout: of the head.
        dynamic_only_after_dw: Dynamic Shift-Max after depthwise convolutions alone, with a second start of its own.
    """
    shared: dict[str, Any] = {}
    if dynamic_only_after_dw:
        shared = {"dynamic_project": False, "second": (0.5, 0.5)}
    chans, multiplier = stem
    blocks = [BlockSpec(kind="micro_stem", out_chans=chans, stride=2, options={"multiplier": multiplier})]
    for index, (kernel, chans, stride, groups) in enumerate(_LITE[size]):
        options = {"kernel": kernel, "groups": groups, "dynamic_dw": dynamic_only_after_dw or index > 0, **shared}
        blocks.append(BlockSpec(kind="micro_lite", out_chans=chans, stride=stride, options=options))
    for kernel, chans, stride, expand_groups, project_groups, reduction in _REGULAR[size]:
        options = {
            "kernel": kernel,
            "expand": float(expand),
            "expand_groups": expand_groups,
            "project_groups": project_groups,
            "dynamic_expand": not dynamic_only_after_dw,
            "reduction": reduction,
            **shared,
        }
        blocks.append(BlockSpec(kind="micro", out_chans=chans, stride=stride, options=options))
    options = {"groups": last_groups, "dynamic": not dynamic_only_after_dw, "reduction": 16}
    blocks.append(BlockSpec(kind="micro_pointwise", out_chans=chans * expand, options=options))
    head = {"kind": "micro", "options": {"hidden": hidden, "dropout": dropout}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="he_fan_out")
