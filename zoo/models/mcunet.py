"""MCUNet (Lin et al., arXiv:2007.10319), the networks that TinyNAS found for ImageNet on microcontrollers."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_Row = tuple[int, float, int, int]

_BLOCKS: dict[str, tuple[_Row, ...]] = {  # kernel, expansion, channels, stride (authors' configurations)
    "in0": (
        (3, 1, 16, 1), (5, 4, 16, 2), (3, 3, 16, 1), (3, 4, 16, 1),
        (7, 5, 24, 2), (5, 4, 24, 1), (5, 5, 24, 1),
        (7, 5, 48, 2), (5, 4, 48, 1), (3, 5, 56, 1), (5, 4, 56, 1), (3, 5, 56, 1),
        (3, 6, 112, 2), (5, 4, 112, 1), (3, 6, 192, 1),
    ),
    "in1": (
        (3, 1, 8, 1), (3, 4, 16, 2), (3, 3, 16, 1),
        (7, 3, 24, 2), (3, 5, 24, 1),
        (3, 5, 40, 2), (7, 4, 40, 1), (5, 4, 48, 1), (3, 3, 48, 1), (3, 4, 48, 1),
        (7, 5, 96, 2), (5, 4, 96, 1), (5, 4, 96, 1), (3, 6, 160, 1),
    ),
    "in2": (
        (3, 1, 8, 1), (5, 3, 16, 2), (7, 6, 16, 1), (3, 5, 16, 1), (5, 5, 16, 1),
        (3, 5, 24, 2), (7, 6, 24, 1), (5, 6, 24, 1),
        (7, 4, 40, 2), (5, 5, 40, 1), (3, 5, 48, 1), (5, 5, 48, 1), (3, 4, 48, 1),
        (5, 6, 96, 2), (5, 4, 96, 1), (5, 3, 96, 1), (3, 4, 96, 1), (5, 5, 160, 1),
    ),
    "in3": (
        (3, 1, 8, 1), (7, 3, 16, 2), (3, 5, 16, 1), (7, 5, 16, 1), (5, 4, 16, 1),
        (5, 5, 24, 2), (5, 5, 24, 1), (5, 5, 24, 1),
        (3, 5, 40, 2), (7, 6, 40, 1), (5, 4, 40, 1), (5, 5, 48, 1), (7, 5, 48, 1), (3, 5, 48, 1),
        (3, 6, 96, 2), (7, 5, 96, 1), (3, 4, 96, 1), (7, 5, 160, 1),
    ),
    "in4": (
        (3, 1, 16, 1), (7, 3, 24, 2), (3, 5, 24, 1), (5, 4, 24, 1),
        (7, 5, 40, 2), (3, 4, 40, 1), (7, 4, 40, 1),
        (7, 3, 80, 2), (3, 3, 80, 1), (7, 3, 80, 1), (3, 4, 96, 1), (5, 3, 96, 1), (5, 3, 96, 1),
        (7, 4, 192, 2), (7, 3, 192, 1), (5, 3, 192, 1), (5, 4, 320, 1),
    ),
}  # fmt: skip


@register_models(
    {
        "mcunet_in0": Variant({"network": "in0", "stem": 24, "resolution": 48}, top1=41.5),
        "mcunet_in1": Variant({"network": "in1", "stem": 16, "resolution": 96}, top1=51.5),
        "mcunet_in2": Variant({"network": "in2", "stem": 16, "resolution": 160}, top1=60.9),
        "mcunet_in3": Variant({"network": "in3", "stem": 16, "resolution": 176}, top1=62.2),
        "mcunet_in4": Variant({"network": "in4", "stem": 32, "resolution": 160}, top1=68.4),
    },
    paper="arXiv:2007.10319",
    year=2020,
    top1_source="official README",
)
def mcunet(network: str, stem: int, resolution: int) -> ArchSpec:
    """Return MCUNet with `stem` channels in the first convolution; the last block goes straight to the classifier."""
    blocks = [BlockSpec(kind="conv", out_chans=stem, stride=2, options={"act": "relu6"})]
    for kernel, expand, chans, stride in _BLOCKS[network]:
        options = {"kernel": kernel, "expand": float(expand)}
        blocks.append(BlockSpec(kind="inverted_residual", out_chans=chans, stride=stride, options=options))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), init="he_fan_out")
