"""FBNetV3 (Dai et al., arXiv:2006.02049), as in the authors' PyTorch code.

Their first convolution has a bias, which the batch norm behind it takes away again; ours has none, so that timm's
weights fit.
"""

from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

# kernel, expansion, channels, repeats, stride, squeeze-and-excitation[, padding of the depthwise convolution]
_BLOCKS = {
    "a0": (
        (3, 1, 12, 1, 1, 0),
        (3, 4, 24, 1, 2, 0), (3, 2, 24, 2, 1, 0),
        (3, 4, 40, 1, 2, 1), (3, 2, 40, 2, 1, 1),
        (5, 4, 72, 1, 2, 0), (3, 3, 72, 2, 1, 0), (3, 4, 104, 1, 1, 1), (5, 3, 104, 3, 1, 1),
        (3, 4, 176, 1, 2, 1), (3, 4, 176, 3, 1, 1), (3, 5, 208, 1, 1, 1),
    ),
    "a": (
        (3, 1, 16, 2, 1, 0),
        (5, 4, 24, 1, 2, 0), (5, 2, 24, 3, 1, 0),
        (5, 5, 40, 1, 2, 1), (5, 3, 40, 4, 1, 1),
        (5, 5, 72, 1, 2, 0, 1), (3, 3, 72, 4, 1, 0), (3, 5, 120, 1, 1, 1), (5, 3, 120, 5, 1, 1),
        (3, 6, 184, 1, 2, 1, 0), (5, 4, 184, 5, 1, 1), (5, 6, 224, 1, 1, 1),
    ),
    "c": (
        (3, 1, 16, 2, 1, 0),
        (5, 5, 24, 1, 2, 0), (3, 3, 24, 4, 1, 0),
        (5, 5, 48, 1, 2, 1), (5, 2, 48, 4, 1, 1),
        (5, 4, 88, 1, 2, 0, 1), (3, 3, 88, 4, 1, 0), (3, 4, 120, 1, 1, 1), (5, 3, 120, 5, 1, 1),
        (5, 5, 216, 1, 2, 1, 1), (5, 5, 216, 5, 1, 1), (5, 6, 216, 1, 1, 1),
    ),
    "d": (
        (3, 1, 16, 2, 1, 0),
        (3, 5, 24, 1, 2, 0), (3, 2, 24, 5, 1, 0),
        (5, 4, 40, 1, 2, 1), (3, 3, 40, 4, 1, 1),
        (3, 5, 72, 1, 2, 0), (3, 3, 72, 4, 1, 0), (3, 5, 128, 1, 1, 1), (5, 3, 128, 6, 1, 1),
        (3, 6, 208, 1, 2, 1), (5, 5, 208, 5, 1, 1), (5, 6, 240, 1, 1, 1),
    ),
    "e": (
        (3, 1, 16, 3, 1, 0),
        (5, 4, 24, 1, 2, 0), (5, 2, 24, 4, 1, 0),
        (5, 4, 48, 1, 2, 1), (5, 3, 48, 4, 1, 1),
        (5, 5, 80, 1, 2, 0, 1), (3, 3, 80, 4, 1, 0), (3, 5, 128, 1, 1, 1), (5, 3, 128, 7, 1, 1),
        (3, 6, 216, 1, 2, 1), (5, 5, 216, 5, 1, 1), (5, 6, 240, 1, 1, 1),
    ),
    "f": (
        (3, 1, 24, 3, 1, 0),
        (5, 4, 32, 1, 2, 0), (5, 2, 32, 4, 1, 0),
        (5, 4, 56, 1, 2, 1), (5, 3, 56, 4, 1, 1),
        (5, 5, 88, 1, 2, 0), (3, 3, 88, 4, 1, 0), (3, 5, 144, 1, 1, 1), (5, 3, 144, 8, 1, 1),
        (3, 6, 248, 1, 2, 1, 0), (5, 5, 248, 6, 1, 1), (5, 6, 272, 1, 1, 1),
    ),
    "g": (
        (3, 1, 24, 3, 1, 0),
        (5, 4, 40, 1, 2, 0), (5, 2, 40, 4, 1, 0),
        (5, 4, 56, 1, 2, 1), (5, 3, 56, 4, 1, 1),
        (5, 5, 104, 1, 2, 0), (3, 3, 104, 4, 1, 0), (3, 5, 160, 1, 1, 1), (5, 3, 160, 8, 1, 1),
        (3, 6, 264, 1, 2, 1), (5, 5, 264, 6, 1, 1), (5, 6, 288, 2, 1, 1),
    ),
}  # fmt: skip


@register_models(
    {
        "fbnetv3_a0": Variant({"variant": "a0", "stem": 12, "last_expand": 5}, top1=78.4),
        "fbnetv3_a": Variant({"variant": "a"}, top1=79.6),
        "fbnetv3_b": Variant({"variant": "a", "resolution": 248}, top1=80.2),
        "fbnetv3_c": Variant({"variant": "c", "resolution": 248}, top1=80.8),
        "fbnetv3_d": Variant({"variant": "d", "stem": 24, "resolution": 248}, top1=81.0, timm="fbnetv3_d"),
        "fbnetv3_e": Variant({"variant": "e", "stem": 24, "resolution": 264}, top1=81.3),
        "fbnetv3_f": Variant({"variant": "f", "stem": 24, "resolution": 272}, top1=82.1),
        "fbnetv3_g": Variant({"variant": "g", "stem": 32, "resolution": 320}, top1=82.8, timm="fbnetv3_g"),
    },
    paper="arXiv:2006.02049",
    year=2020,
    top1_source="official model zoo",
)
def fbnetv3(variant: str = "a", stem: int = 16, last_expand: int = 6, resolution: int = 224) -> ArchSpec:
    """Return FBNetV3; B is A for larger images.

    `stem` are the channels of the first convolution, `last_expand` times as many as it gets are those of the last.
    """
    hard_swish = {"act": "hard_swish"}
    blocks = [BlockSpec(kind="conv", out_chans=stem, stride=2, options=hard_swish)]
    for kernel, expand, chans, repeats, stride, se, *padding in _BLOCKS[variant]:
        options = {"kernel": kernel, "expand": float(expand), "se_ratio": 0.25 * se, "se_of": "input"}
        options |= {"zero_init": True, **hard_swish, **({"padding": padding[0]} if padding else {})}
        blocks += stage("fbnet", chans, repeats, stride, **options)
    last = blocks[-1].out_chans * last_expand
    blocks.append(BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, **hard_swish}))
    head = {"options": {"hidden": 1984, "hidden_bias": False, **hard_swish}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="he_fan_out")
