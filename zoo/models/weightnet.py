"""WeightNet on ShuffleNetV2 (Ma et al., arXiv:2007.11823).

As in the authors' MegEngine code: widths less than ShuffleNetV2's, so that the multiply-adds are as many, and 1024
channels before the classifier. Its biases in front of batch norms, which do nothing, are left out. The code has the
networks with as many weights as ShuffleNetV2 (M = G = 2); M and G of the larger ones are those that give the published
parameters and multiply-adds, which none does at 2.0x.
"""

from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

_REPEATS = (4, 8, 4)
_X0_5, _X1_0, _X1_5, _X2_0 = (48, 96, 192), (112, 224, 448), (176, 352, 704), (248, 496, 992)


@register_models(
    {
        "weightnet_shufflenet_v2_x0_5": Variant({"widths": _X0_5}, top1=63.3),
        "weightnet_shufflenet_v2_x1_0": Variant({"widths": _X1_0}, top1=71.2),
        "weightnet_shufflenet_v2_x1_5": Variant({"widths": _X1_5}, top1=74.4),
        "weightnet_shufflenet_v2_x2_0": Variant({"widths": _X2_0, "dropout": 0.2}, top1=75.9),
        "weightnet_shufflenet_v2_x0_5_8x": Variant({"widths": _X0_5, "units": 8, "groups": 1}, top1=66.0),
        "weightnet_shufflenet_v2_x1_0_4x": Variant({"widths": _X1_0, "units": 8, "groups": 2}, top1=72.4),
        "weightnet_shufflenet_v2_x1_5_4x": Variant({"widths": _X1_5, "units": 4, "groups": 1}, top1=75.0),
    },
    paper="arXiv:2007.11823",
    year=2020,
    top1_source="official README",
)
def weightnet(
    widths: tuple[int, int, int], units: int = 2, groups: int = 2, dropout: float = 0.0, resolution: int = 224
) -> ArchSpec:
    """Return ShuffleNetV2 of WeightNets with the channels of stages 2 to 4."""
    blocks = [BlockSpec(kind="conv", out_chans=24, stride=2), BlockSpec(kind="max_pool", out_chans=24, stride=2)]
    for chans, repeats in zip(widths, _REPEATS, strict=True):
        blocks += stage("weightnet_shuffle_v2", chans, repeats, units=units, groups=groups)
    blocks.append(BlockSpec(kind="conv", out_chans=1024, options={"kernel": 1}))
    head = {"options": {"dropout": dropout}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="shufflenet")
