"""MobileNetV3 (Howard et al., arXiv:1905.02244), and its minimalistic forms as TensorFlow has them."""

from typing import Any, Literal

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_BLOCKS = {  # kernel, expansion size, channels, squeeze-and-excitation, activation, stride (paper, tables 1 and 2)
    "large": (
        (3, 16, 16, False, "RE", 1),
        (3, 64, 24, False, "RE", 2), (3, 72, 24, False, "RE", 1),
        (5, 72, 40, True, "RE", 2), (5, 120, 40, True, "RE", 1), (5, 120, 40, True, "RE", 1),
        (3, 240, 80, False, "HS", 2), (3, 200, 80, False, "HS", 1), (3, 184, 80, False, "HS", 1),
        (3, 184, 80, False, "HS", 1), (3, 480, 112, True, "HS", 1), (3, 672, 112, True, "HS", 1),
        (5, 672, 160, True, "HS", 2), (5, 960, 160, True, "HS", 1), (5, 960, 160, True, "HS", 1),
    ),
    "small": (
        (3, 16, 16, True, "RE", 2),
        (3, 72, 24, False, "RE", 2), (3, 88, 24, False, "RE", 1),
        (5, 96, 40, True, "HS", 2), (5, 240, 40, True, "HS", 1), (5, 240, 40, True, "HS", 1),
        (5, 120, 48, True, "HS", 1), (5, 144, 48, True, "HS", 1),
        (5, 288, 96, True, "HS", 2), (5, 576, 96, True, "HS", 1), (5, 576, 96, True, "HS", 1),
    ),
}  # fmt: skip
_ACTS = {"RE": "relu", "HS": "hard_swish"}
_HIDDEN = {"large": 1280, "small": 1024}
_PUBLICATION: dict[str, Any] = {"paper": "arXiv:1905.02244", "year": 2019, "top1_source": "TensorFlow README"}


@register_models(
    {
        "mobilenetv3_large_100": Variant({"size": "large"}, top1=75.2, timm="mobilenetv3_large_100"),
        "mobilenetv3_large_075": Variant({"size": "large", "width": 0.75}, top1=73.3, timm="mobilenetv3_large_075"),
        "mobilenetv3_small_100": Variant({"size": "small"}, top1=67.5, timm="mobilenetv3_small_100"),
        "mobilenetv3_small_075": Variant({"size": "small", "width": 0.75}, top1=65.4, timm="mobilenetv3_small_075"),
        "mobilenetv3_small_050": Variant(
            {"size": "small", "width": 0.5}, top1=57.92, source="timm", timm="mobilenetv3_small_050"
        ),
    },
    **_PUBLICATION,
)
@register_models(
    {
        "mobilenetv3_large_minimal_100": Variant(
            {"size": "large", "minimal": True}, top1=72.3, timm="tf_mobilenetv3_large_minimal_100"
        ),
        "mobilenetv3_small_minimal_100": Variant(
            {"size": "small", "minimal": True}, top1=61.9, timm="tf_mobilenetv3_small_minimal_100"
        ),
    },
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    **_PUBLICATION,
)
def mobilenetv3(
    size: Literal["large", "small"], width: float = 1.0, minimal: bool = False, resolution: int = 224
) -> ArchSpec:
    """Return MobileNetV3; `minimal` does without squeeze-and-excitation, h-swish and 5x5 kernels."""
    act = "relu" if minimal else "hard_swish"
    chans = 16
    stem = make_divisible(chans * max(width, 1.0))
    blocks = [BlockSpec(kind="conv", out_chans=stem, stride=2, options={"act": act})]
    for kernel, expanded, out, se, block_act, stride in _BLOCKS[size]:
        options: dict[str, Any] = {"expand": expanded / chans, "act": "relu"}
        if not minimal:
            options |= {"kernel": kernel, "act": _ACTS[block_act], "se_ratio": 0.25 if se else 0.0}
        chans = out
        out_chans = make_divisible(out * width)
        blocks.append(BlockSpec(kind="inverted_residual", out_chans=out_chans, stride=stride, options=options))
    last = make_divisible(6 * chans * width)
    blocks.append(BlockSpec(kind="conv", out_chans=last, options={"kernel": 1, "act": act}))
    return ArchSpec(
        resolution=resolution,
        blocks=tuple(blocks),
        head={"options": {"hidden": _HIDDEN[size], "act": act, "dropout": 0.2}},
        bn_eps=1e-3 if minimal else 1e-5,
        padding="same" if minimal else "symmetric",
    )
