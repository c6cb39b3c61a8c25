"""ShuffleNetV1 (Zhang et al., arXiv:1707.01083), as in the authors' PyTorch code: no bias in the classifier."""

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_CHANS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # of stage 2 at 1.0x by groups (table 1 of the paper)
_STEMS = {0.25: 6, 0.5: 12, 0.75: 18, 1.0: 24, 1.5: 24, 2.0: 48}  # by width; the authors' code keeps 24 at 1.5x
_REPEATS = (4, 8, 4)
_PAPER_TOP1 = {  # by groups and width (table 2 of the paper)
    1: {0.25: 42.9, 0.5: 54.9, 1.0: 66.4},
    2: {0.25: 43.2, 0.5: 55.6, 1.0: 67.3},
    3: {0.25: 45.0},
    4: {0.25: 45.8, 0.5: 58.4, 1.0: 67.2},
    8: {0.25: 47.3, 0.5: 57.7},
}
_README_TOP1 = {3: {0.5: 57.3, 1.0: 67.8, 1.5: 71.6, 2.0: 74.1}, 8: {1.0: 68.0, 1.5: 71.0, 2.0: 72.9}}
_PYTORCHCV_TOP1 = {1: {0.75: 60.42}, 3: {0.75: 61.8}}


def _variants() -> dict[str, Variant]:
    tables = {"paper": _PAPER_TOP1, "official README": _README_TOP1, "pytorchcv": _PYTORCHCV_TOP1}
    published = {
        (groups, width): (top1, source)
        for source, table in tables.items()
        for groups, row in table.items()
        for width, top1 in row.items()
    }
    unpublished = {(groups, width): (None, "") for groups in _CHANS for width in (1.5, 2.0)}
    return {
        f"shufflenet_v1_g{groups}_{round(100 * width):03}": Variant(
            {"groups": groups, "width": width}, top1=top1, source=source
        )
        for (groups, width), (top1, source) in (unpublished | published).items()
    }


@register_models(_variants(), paper="arXiv:1707.01083", year=2017)
def shufflenet_v1(groups: int = 3, width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return ShuffleNetV1 with `groups` in its pointwise convolutions.

    Channels are rounded to what the groups divide: the stem to a multiple of them, stage 2 to a multiple of four
    times as many, since the middle of a unit has a quarter of its channels.
    """
    stem = make_divisible(_STEMS[width], groups)
    chans = make_divisible(_CHANS[groups] * width, 4 * groups)
    blocks = [BlockSpec(kind="conv", out_chans=stem, stride=2), BlockSpec(kind="max_pool", out_chans=stem, stride=2)]
    for stage, repeats in enumerate(_REPEATS):
        for index in range(repeats):
            options = {"groups": groups, "group_first": not (stage == 0 and index == 0)}
            stride = 2 if index == 0 else 1
            blocks.append(BlockSpec(kind="shuffle_v1", out_chans=chans * 2**stage, stride=stride, options=options))
    head = {"options": {"bias": False}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="shufflenet")
