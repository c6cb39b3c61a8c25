"""MobileNetV4, the convolutional networks (Qin et al., arXiv:2404.10518)."""

from typing import Any, Literal

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_CONVS = {  # kernel, channels, stride, activation: stem and fused inverted bottleneck (paper, appendix)
    "small": ((3, 32, 2, "relu"), (3, 32, 2, "relu"), (1, 32, 1, "relu"), (3, 96, 2, "relu"), (1, 64, 1, "relu")),
    "medium": ((3, 32, 2, "relu"), (3, 128, 2, "relu"), (1, 48, 1, "none")),
    "large": ((3, 24, 2, "relu"), (3, 96, 2, "relu"), (1, 48, 1, "none")),
}
_STAGES = {  # channels: (first kernel, middle kernel, expansion) of each block; the first block has stride 2
    "small": {
        96: ((5, 5, 3), (0, 3, 2), (0, 3, 2), (0, 3, 2), (0, 3, 2), (3, 0, 4)),
        128: ((3, 3, 6), (5, 5, 4), (0, 5, 4), (0, 5, 3), (0, 3, 4), (0, 3, 4)),
    },
    "medium": {
        80: ((3, 5, 4), (3, 3, 2)),
        160: ((3, 5, 6), (3, 3, 4), (3, 3, 4), (3, 5, 4), (3, 3, 4), (3, 0, 4), (0, 0, 2), (3, 0, 4)),
        256: (
            (5, 5, 6), (5, 5, 4), (3, 5, 4), (3, 5, 4), (0, 0, 4), (3, 0, 4),
            (3, 5, 2), (5, 5, 4), (0, 0, 4), (0, 0, 4), (5, 0, 2),
        ),
    },
    "large": {
        96: ((3, 5, 4), (3, 3, 4)),
        192: (
            (3, 5, 4), (3, 3, 4), (3, 3, 4), (3, 3, 4), (3, 5, 4), (5, 3, 4),
            (5, 3, 4), (5, 3, 4), (5, 3, 4), (5, 3, 4), (3, 0, 4),
        ),
        512: (
            (5, 5, 4), (5, 5, 4), (5, 5, 4), (5, 5, 4), (5, 0, 4), (5, 3, 4), (5, 0, 4),
            (5, 0, 4), (5, 3, 4), (5, 5, 4), (5, 0, 4), (5, 0, 4), (5, 0, 4),
        ),
    },
}  # fmt: skip
_DROPOUT = {"small": 0.3, "medium": 0.2, "large": 0.2}
_PUBLICATION: dict[str, Any] = {"paper": "arXiv:2404.10518", "year": 2024, "top1_source": "timm"}


@register_models(
    {
        "mobilenetv4_conv_small": Variant({"size": "small"}, top1=73.76, timm="mobilenetv4_conv_small"),
        "mobilenetv4_conv_medium": Variant(
            {"size": "medium", "resolution": 256}, top1=79.92, timm="mobilenetv4_conv_medium"
        ),
        "mobilenetv4_conv_large": Variant(
            {"size": "large", "resolution": 384}, top1=82.97, timm="mobilenetv4_conv_large"
        ),
    },
    **_PUBLICATION,
)
@register_models(
    {
        "mobilenetv4_conv_small_050": Variant(
            {"size": "small", "width": 0.5}, top1=64.78, timm="mobilenetv4_conv_small_050"
        ),
        "mobilenetv4_conv_small_035": Variant({"size": "small", "width": 0.35}, timm="mobilenetv4_conv_small_035"),
    },
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    **_PUBLICATION,
)
def mobilenetv4(size: Literal["small", "medium", "large"], width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return MobileNetV4-Conv; the first convolution and the layer behind the pooling are never narrowed."""
    blocks = []
    for kernel, chans, stride, act in _CONVS[size]:
        out_chans = make_divisible(chans * (width if blocks else max(width, 1.0)))
        options = {"kernel": kernel, "act": act}
        blocks.append(BlockSpec(kind="conv", out_chans=out_chans, stride=stride, options=options))
    for chans, rows in _STAGES[size].items():
        for index, (start_kernel, mid_kernel, expand) in enumerate(rows):
            blocks.append(
                BlockSpec(
                    kind="universal_inverted_bottleneck",
                    out_chans=make_divisible(chans * width),
                    stride=2 if index == 0 else 1,
                    options={"start_kernel": start_kernel, "mid_kernel": mid_kernel, "expand": float(expand)},
                )
            )
    blocks.append(BlockSpec(kind="conv", out_chans=make_divisible(960 * width), options={"kernel": 1}))
    head = {"options": {"hidden": 1280, "hidden_norm": True, "dropout": _DROPOUT[size]}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head)
