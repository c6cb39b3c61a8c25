"""MobileOne (Vasu et al., arXiv:2206.04040)."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_STAGES = ((64, 2), (128, 8), (256, 10), (512, 1))  # channels before widening, blocks


@register_models(
    {
        "mobileone_s0": Variant({"widths": (0.75, 1.0, 1.0, 2.0), "branches": 4}, top1=71.4, timm="mobileone_s0"),
        "mobileone_s1": Variant({"widths": (1.5, 1.5, 2.0, 2.5)}, top1=75.9, timm="mobileone_s1"),
        "mobileone_s2": Variant({"widths": (1.5, 2.0, 2.5, 4.0)}, top1=77.4, timm="mobileone_s2"),
        "mobileone_s3": Variant({"widths": (2.0, 2.5, 3.0, 4.0)}, top1=78.1, timm="mobileone_s3"),
        "mobileone_s4": Variant(
            {"widths": (3.0, 3.5, 3.5, 4.0), "se_blocks": (0, 0, 5, 1)}, top1=79.4, timm="mobileone_s4"
        ),
    },
    paper="arXiv:2206.04040",
    year=2022,
    top1_source="official README",
)
def mobileone(
    widths: tuple[float, ...],
    branches: int = 1,
    se_blocks: tuple[int, ...] = (0, 0, 0, 0),
    resolution: int = 224,
) -> ArchSpec:
    """Return MobileOne as it is trained; `.deployed()` is the form that is shipped.

    Args:
        widths: factor of each stage's channels.
        branches: of every convolution but the first.
        se_blocks: how many blocks, at the end of each stage, have squeeze-and-excitation.
    """
    blocks = [BlockSpec(kind="mobileone_conv", out_chans=min(64, int(64 * widths[0])), stride=2)]
    for (chans, repeats), width, with_se in zip(_STAGES, widths, se_blocks, strict=True):
        for index in range(repeats):
            options = {"branches": branches, "se_ratio": 1 / 16 if index >= repeats - with_se else 0.0}
            stride = 2 if index == 0 else 1
            blocks.append(BlockSpec(kind="mobileone", out_chans=int(chans * width), stride=stride, options=options))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), init="pytorch")
