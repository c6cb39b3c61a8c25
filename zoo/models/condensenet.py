"""CondenseNet (Huang et al., arXiv:1711.09224)."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_STAGES = ((4, 8), (6, 16), (8, 32), (10, 64), (8, 128))  # layers, growth (table 2 of the paper)


@register_models(
    {
        "condensenet74_c4_g4": Variant({"groups": 4}, top1=73.8),
        "condensenet74_c8_g8": Variant({"groups": 8}, top1=71.0),
    },
    paper="arXiv:1711.09224",
    year=2018,
    top1_source="official README",
)
def condensenet(groups: int = 4, resolution: int = 224) -> ArchSpec:
    """Return CondenseNet-74 as it is trained, condensed by `groups`; the paper counts its deployed form."""
    chans = 16
    stem = {"norm": False, "bias": False, "act": "none"}
    blocks = [BlockSpec(kind="conv", out_chans=chans, stride=2, options=stem)]
    for stage, (layers, growth) in enumerate(_STAGES):
        for index in range(layers):
            chans += growth
            blocks.append(
                BlockSpec(
                    kind="condense",
                    out_chans=chans,
                    stride=2 if stage > 0 and index == 0 else 1,
                    options={"groups": groups, "condense_factor": groups},
                )
            )
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head={"kind": "condense"}, init="he_fan_out")
