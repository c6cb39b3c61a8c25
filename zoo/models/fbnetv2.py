"""FBNetV2 (Wan et al., arXiv:2004.05565), as in the authors' PyTorch code (L3 is their `dmasking_l3`)."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_R, _H = "relu", "hard_swish"
_SKIP = 0  # in place of a kernel

# kernel, expansion, channels, stride, squeeze-and-excitation, activation; skips that keep the shape are left out
_BLOCKS = {
    "f0": (
        (5, 1, 8, 1, 0, _H),
        (5, 4, 16, 2, 0, _H), (5, 3, 16, 1, 0, _H),
        (5, 4, 24, 2, 1, _R), (5, 3, 24, 1, 1, _R),
        (5, 4, 48, 2, 1, _H), (3, 3, 48, 1, 1, _H), (5, 3, 64, 1, 1, _H), (5, 2, 64, 1, 1, _H),
        (3, 3, 128, 2, 1, _H), (5, 3, 160, 1, 1, _H), (_SKIP, 1, 192, 1, 0, _R),
    ),
    "f1": (
        (5, 1, 8, 1, 0, _R),
        (5, 5.4566, 24, 2, 0, _R), (5, 4.7912, 24, 1, 0, _R),
        (5, 5.3501, 32, 2, 1, _R), (5, 4.5379, 24, 1, 1, _R),
        (5, 5.7133, 56, 2, 0, _H), (3, 4.1212, 56, 1, 0, _H), (3, 5.1246, 56, 1, 1, _H),
        (_SKIP, 1, 80, 1, 0, _R), (5, 4.5070, 80, 1, 1, _H), (5, 1.7712, 80, 1, 1, _H),
        (3, 4.5685, 144, 2, 1, _H), (5, 5.8400, 144, 1, 1, _H), (5, 6.8754, 144, 1, 1, _H), (_SKIP, 1, 224, 1, 0, _R),
    ),
    "f4": (
        (3, 1, 16, 1, 0, _H),
        (5, 5.4566, 24, 2, 0, _H), (5, 1.7912, 24, 1, 0, _H), (5, 1.7912, 24, 1, 0, _H),
        (5, 5.3501, 32, 2, 1, _R), (5, 3.5379, 32, 1, 1, _R), (5, 4.5379, 32, 1, 1, _R), (5, 4.5379, 32, 1, 1, _R),
        (5, 5.7133, 64, 2, 0, _H), (3, 2.1212, 64, 1, 0, _H),
        (3, 5.0333, 104, 1, 0, _H), (5, 2.5070, 104, 1, 1, _H), (5, 1.7712, 104, 1, 1, _H), (5, 3.7712, 112, 1, 1, _H),
        (3, 5.5685, 184, 2, 1, _H), (5, 2.8400, 184, 1, 1, _H), (5, 4.8754, 184, 1, 1, _H), (_SKIP, 1, 224, 1, 0, _R),
    ),
    "l1": (
        (3, 1, 16, 1, 0, _H),
        (5, 5.4566, 24, 2, 0, _H), (5, 1.7912, 24, 1, 0, _H), (3, 1.7912, 24, 1, 0, _H), (5, 1.7912, 24, 1, 0, _H),
        (5, 5.3501, 40, 2, 1, _H), (5, 3.5379, 32, 1, 1, _H), (5, 4.5379, 32, 1, 1, _H), (5, 4.5379, 32, 1, 1, _H),
        (5, 5.7133, 64, 2, 0, _H), (3, 2.1212, 64, 1, 0, _H), (3, 3.1246, 64, 1, 0, _H),
        (3, 5.0333, 112, 1, 0, _H), (5, 2.5070, 112, 1, 1, _H), (5, 1.7712, 112, 1, 1, _H), (5, 2.7712, 112, 1, 1, _H),
        (5, 3.7712, 112, 1, 1, _H), (5, 3.7712, 112, 1, 1, _H),
        (3, 5.5685, 184, 2, 1, _H), (5, 2.8400, 184, 1, 1, _H), (5, 2.8400, 184, 1, 1, _H),
        (5, 4.8754, 184, 1, 1, _H), (5, 4.8754, 184, 1, 1, _H), (_SKIP, 1, 224, 1, 0, _R),
    ),
    "l3": (
        (3, 1, 24, 1, 0, _R),
        (5, 5.4566, 32, 2, 0, _R), (5, 1.7912, 32, 1, 0, _R), (3, 1.7912, 32, 1, 0, _R), (5, 1.7912, 32, 1, 0, _R),
        (5, 5.3501, 48, 2, 1, _R), (5, 3.5379, 40, 1, 1, _R), (5, 4.5379, 40, 1, 1, _R), (5, 4.5379, 40, 1, 1, _R),
        (5, 5.7133, 72, 2, 0, _H), (3, 2.1212, 72, 1, 0, _H), (3, 3.1246, 72, 1, 0, _H),
        (3, 5.0333, 120, 1, 0, _H), (5, 2.5070, 120, 1, 1, _H), (5, 1.7712, 120, 1, 1, _H), (5, 2.7712, 120, 1, 1, _H),
        (5, 3.7712, 120, 1, 1, _H), (5, 3.7712, 120, 1, 1, _H), (5, 3.7712, 120, 1, 1, _H),
        (3, 5.5685, 192, 2, 1, _H), (5, 2.8400, 192, 1, 1, _H), (5, 2.8400, 192, 1, 1, _H),
        (5, 4.8754, 192, 1, 1, _H), (5, 4.8754, 192, 1, 1, _H), (_SKIP, 1, 240, 1, 0, _R),
    ),
}  # fmt: skip


@register_models(
    {
        "fbnetv2_f0": Variant({"variant": "f0", "last_expand": 4, "hidden": 1280}),
        "fbnetv2_f1": Variant({"variant": "f1", "hidden": 1600, "resolution": 128}, top1=68.3),
        "fbnetv2_f2": Variant({"variant": "f1", "hidden": 1600, "resolution": 160}, top1=71.1),
        "fbnetv2_f3": Variant({"variant": "f1", "resolution": 192}, top1=73.1),
        "fbnetv2_f4": Variant({"variant": "f4", "stem": 16}, top1=75.8),
        "fbnetv2_l1": Variant({"variant": "l1", "stem": 16}, top1=77.2),
        "fbnetv2_l2": Variant({"variant": "l1", "stem": 16, "resolution": 256}, top1=78.2),
        "fbnetv2_l3": Variant(
            {"variant": "l3", "stem": 24, "divisor": 1, "zero_init": False, "resolution": 288}, top1=78.9
        ),
    },
    paper="arXiv:2004.05565",
    year=2020,
    top1_source="official model zoo",
)
def fbnetv2(
    variant: str = "f1",
    stem: int = 8,
    last_expand: int = 6,
    hidden: int = 1984,
    divisor: int = 8,
    zero_init: bool = True,
    resolution: int = 224,
) -> ArchSpec:
    """Return FBNetV2; F2 and F3 are F1 for larger images (F3 with a wider head), L2 is L1.

    Args:
        stem: channels of the first convolution.
        last_expand: channels of the last convolution over those it gets.
        hidden: channels of the head.
        divisor, zero_init: of the blocks; only the oldest network, L3, rounds to whole channels and starts no branch
            at zero.
    """
    hard_swish = {"act": "hard_swish"}
    blocks = [BlockSpec(kind="conv", out_chans=stem, stride=2, options={"bias": True, **hard_swish})]
    for kernel, expand, chans, stride, se, act in _BLOCKS[variant]:
        if kernel == _SKIP:
            blocks.append(BlockSpec(kind="skip", out_chans=chans, stride=stride))
            continue
        options = {"kernel": kernel, "expand": float(expand), "se_ratio": 0.25 * se, "act": act}
        options |= {"divisor": divisor, "zero_init": zero_init}
        blocks.append(BlockSpec(kind="fbnet", out_chans=chans, stride=stride, options=options))
    last = blocks[-1].out_chans * last_expand
    blocks.append(BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, **hard_swish}))
    head = {"kind": "fbnet", "options": {"hidden": hidden}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="he_fan_out")
