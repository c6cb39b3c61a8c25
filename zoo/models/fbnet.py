"""FBNet (Wu et al., arXiv:1812.03443), as in the authors' PyTorch code: convolutions have a bias beside batch norm."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

# kernel, expansion, groups, channels, stride; the authors' skips are left out, they all keep the shape
_BLOCKS = {
    "a": (
        (3, 3, 1, 24, 2), (3, 1, 1, 24, 1),
        (5, 6, 1, 32, 2), (3, 3, 1, 32, 1), (5, 1, 1, 32, 1), (3, 3, 1, 32, 1),
        (5, 6, 1, 64, 2), (5, 3, 1, 64, 1), (5, 1, 2, 64, 1), (5, 6, 1, 64, 1),
        (3, 6, 1, 112, 1), (5, 1, 2, 112, 1), (5, 3, 1, 112, 1), (3, 1, 2, 112, 1),
        (5, 6, 1, 184, 2), (5, 6, 1, 184, 1), (5, 3, 1, 184, 1), (5, 6, 1, 184, 1),
        (5, 6, 1, 352, 1),
    ),
    "b": (
        (3, 1, 1, 16, 1),
        (3, 6, 1, 24, 2), (5, 1, 1, 24, 1), (3, 1, 1, 24, 1), (3, 1, 1, 24, 1),
        (5, 6, 1, 32, 2), (5, 3, 1, 32, 1), (3, 6, 1, 32, 1), (5, 6, 1, 32, 1),
        (5, 6, 1, 64, 2), (5, 6, 1, 64, 1), (5, 3, 1, 64, 1),
        (5, 6, 1, 112, 1), (3, 1, 1, 112, 1), (5, 1, 1, 112, 1), (5, 3, 1, 112, 1),
        (5, 6, 1, 184, 2), (5, 1, 1, 184, 1), (5, 6, 1, 184, 1), (5, 6, 1, 184, 1),
        (3, 6, 1, 352, 1),
    ),
    "c": (
        (3, 1, 1, 16, 1),
        (3, 6, 1, 24, 2), (3, 1, 1, 24, 1), (3, 1, 1, 24, 1),
        (5, 6, 1, 32, 2), (5, 3, 1, 32, 1), (5, 6, 1, 32, 1), (3, 6, 1, 32, 1),
        (5, 6, 1, 64, 2), (5, 3, 1, 64, 1), (5, 6, 1, 64, 1), (5, 6, 1, 64, 1),
        (5, 6, 1, 112, 1), (5, 6, 1, 112, 1), (5, 6, 1, 112, 1), (5, 3, 1, 112, 1),
        (5, 6, 1, 184, 2), (5, 6, 1, 184, 1), (5, 6, 1, 184, 1), (5, 6, 1, 184, 1),
        (3, 6, 1, 352, 1),
    ),
    "96": (
        (3, 1, 1, 8, 1),
        (3, 6, 1, 16, 2), (3, 6, 1, 16, 1),
        (5, 6, 1, 16, 2), (5, 6, 1, 16, 1),
        (5, 6, 1, 24, 2), (3, 6, 1, 40, 1),
        (5, 6, 1, 72, 2), (5, 6, 1, 72, 1), (5, 6, 1, 128, 1),
    ),
}  # fmt: skip


@register_models(
    {
        "fbneta_100": Variant({"variant": "a", "last": 1504}, top1=73.3),
        "fbnetb_100": Variant({"variant": "b"}, top1=74.5),
        "fbnetc_100": Variant({"variant": "c"}, top1=75.2),
        "fbnet_96": Variant(
            {"variant": "96", "stem": 8, "last": 1416, "bias": False, "resolution": 96},
            top1=50.4,
            source="official README, Caffe2 weights",
        ),
    },
    paper="arXiv:1812.03443",
    year=2018,
    top1_source="official README",
)
def fbnet(variant: str = "c", stem: int = 16, last: int = 1984, bias: bool = True, resolution: int = 224) -> ArchSpec:
    """Return FBNet; `stem` and `last` are the channels of the first and the last convolution.

    `bias` is for the blocks; those two convolutions always have one.
    """
    blocks = [BlockSpec(kind="conv", out_chans=stem, stride=2, options={"bias": True})]
    for kernel, expand, groups, chans, stride in _BLOCKS[variant]:
        options = {"kernel": kernel, "expand": float(expand), "groups": groups, "bias": bias}
        blocks.append(BlockSpec(kind="fbnet", out_chans=chans, stride=stride, options=options))
    blocks.append(BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, "bias": True}))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), init="he_fan_out")
