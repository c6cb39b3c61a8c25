"""ShuffleNetV1 (Zhang et al., arXiv:1707.01083), as in the authors' PyTorch code: no bias in the classifier."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # channels of stage 2 at 1.0x by groups (table 1 of the paper)
_REPEATS = (4, 8, 4)


@register_models(
    {
        "shufflenet_v1_g1_100": Variant({"groups": 1}, top1=66.4),
        "shufflenet_v1_g2_100": Variant({"groups": 2}, top1=67.3),
        "shufflenet_v1_g3_100": Variant({"groups": 3}, top1=67.8),
        "shufflenet_v1_g4_100": Variant({"groups": 4}, top1=67.2),
        "shufflenet_v1_g8_100": Variant({"groups": 8}, top1=68.0),
    },
    paper="arXiv:1707.01083",
    year=2017,
)
def shufflenet_v1(groups: int = 3, resolution: int = 224) -> ArchSpec:
    """Return ShuffleNetV1 with `groups` in its pointwise convolutions."""
    blocks = [BlockSpec(kind="conv", out_chans=24, stride=2), BlockSpec(kind="max_pool", out_chans=24, stride=2)]
    for stage, repeats in enumerate(_REPEATS):
        for index in range(repeats):
            options = {"groups": groups, "group_first": not (stage == 0 and index == 0)}
            stride = 2 if index == 0 else 1
            chans = _WIDTHS[groups] * 2**stage
            blocks.append(BlockSpec(kind="shuffle_v1", out_chans=chans, stride=stride, options=options))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head={"options": {"bias": False}})
