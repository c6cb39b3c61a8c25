"""ShuffleNetV2 (Ma et al., arXiv:1807.11164), as in the authors' code: no bias in the classifier."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_REPEATS = (4, 8, 4)


@register_models(
    {
        "shufflenet_v2_x0_5": Variant({"widths": (48, 96, 192, 1024)}, top1=61.1),
        "shufflenet_v2_x1_0": Variant({"widths": (116, 232, 464, 1024)}, top1=69.4),
        "shufflenet_v2_x1_5": Variant({"widths": (176, 352, 704, 1024)}, top1=72.6),
        "shufflenet_v2_x2_0": Variant({"widths": (244, 488, 976, 2048)}, top1=75.0),
    },
    paper="arXiv:1807.11164",
    year=2018,
)
def shufflenet_v2(widths: tuple[int, int, int, int], resolution: int = 224) -> ArchSpec:
    """Return ShuffleNetV2 with the channels of stages 2 to 4 and of the last convolution (table 5 of the paper)."""
    blocks = [BlockSpec(kind="conv", out_chans=24, stride=2), BlockSpec(kind="max_pool", out_chans=24, stride=2)]
    for chans, repeats in zip(widths, _REPEATS, strict=False):
        blocks += [
            BlockSpec(kind="shuffle_v2", out_chans=chans, stride=2 if index == 0 else 1) for index in range(repeats)
        ]
    blocks.append(BlockSpec(kind="conv", out_chans=widths[3], options={"kernel": 1}))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head={"options": {"bias": False}})
