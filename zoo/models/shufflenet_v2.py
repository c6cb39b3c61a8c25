"""ShuffleNetV2 (Ma et al., arXiv:1807.11164): the authors' networks, without bias in the classifier, and torchvision's.

torchvision's (`tv_`) shuffle after each unit instead of before, and halve the channels between the branches of a
strided unit where the authors give the main branch what the input leaves: both its cost and its weights differ.
"""

from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

_REPEATS = (4, 8, 4)
_X0_5, _X1_0, _X1_5 = (48, 96, 192, 1024), (116, 232, 464, 1024), (176, 352, 704, 1024)
_X2_0 = (244, 488, 976, 2048)


def _torchvision(widths: tuple[int, ...], name: str, top1: float) -> Variant:
    return Variant({"widths": widths, "torchvision": True}, top1=top1, source="torchvision", torchvision=name)


@register_models(
    {
        "shufflenet_v2_x0_5": Variant({"widths": _X0_5}, top1=61.1),
        "shufflenet_v2_x1_0": Variant({"widths": _X1_0}, top1=69.4),
        "shufflenet_v2_x1_5": Variant({"widths": _X1_5}, top1=72.6),
        "shufflenet_v2_x2_0": Variant({"widths": _X2_0, "dropout": 0.2}, top1=75.0),
        "tv_shufflenet_v2_x0_5": _torchvision(_X0_5, "shufflenet_v2_x0_5", 60.552),
        "tv_shufflenet_v2_x1_0": _torchvision(_X1_0, "shufflenet_v2_x1_0", 69.362),
        "tv_shufflenet_v2_x1_5": _torchvision(_X1_5, "shufflenet_v2_x1_5", 72.996),
        "tv_shufflenet_v2_x2_0": _torchvision(_X2_0, "shufflenet_v2_x2_0", 76.230),
    },
    paper="arXiv:1807.11164",
    year=2018,
    top1_source="official README",
)
def shufflenet_v2(
    widths: tuple[int, int, int, int], torchvision: bool = False, dropout: float = 0.0, resolution: int = 224
) -> ArchSpec:
    """Return ShuffleNetV2 with the channels of stages 2 to 4 and of the last convolution (table 5 of the paper)."""
    options = {"split": "half"} if torchvision else {"shuffle": "input"}
    blocks = [BlockSpec(kind="conv", out_chans=24, stride=2), BlockSpec(kind="max_pool", out_chans=24, stride=2)]
    for chans, repeats in zip(widths, _REPEATS, strict=False):
        blocks += stage("shuffle_v2", chans, repeats, **options)
    blocks.append(BlockSpec(kind="conv", out_chans=widths[3], options={"kernel": 1}))
    head = {"options": {"bias": torchvision, "dropout": dropout}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="shufflenet")
