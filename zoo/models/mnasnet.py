"""MnasNet A1 (with squeeze-and-excitation), B1 and small (Tan et al., arXiv:1807.11626; the authors' TPU code)."""

from typing import Any, Literal

from zoo.blocks.layers import make_divisible
from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

_STAGES = {  # kernel, expansion, channels, squeeze-and-excitation ratio, repeats, stride (A1: figure 7 of the paper)
    "a1": (
        (3, 1, 16, 0, 1, 1), (3, 6, 24, 0, 2, 2), (5, 3, 40, 0.25, 3, 2), (3, 6, 80, 0, 4, 2),
        (3, 6, 112, 0.25, 2, 1), (5, 6, 160, 0.25, 3, 2), (3, 6, 320, 0, 1, 1),
    ),
    "b1": (
        (3, 1, 16, 0, 1, 1), (3, 3, 24, 0, 3, 2), (5, 3, 40, 0, 3, 2), (5, 6, 80, 0, 3, 2),
        (3, 6, 96, 0, 2, 1), (5, 6, 192, 0, 4, 2), (3, 6, 320, 0, 1, 1),
    ),
    "small": (
        (3, 1, 8, 0, 1, 1), (3, 3, 16, 0, 1, 2), (3, 6, 16, 0, 2, 2), (5, 6, 32, 0.25, 4, 2),
        (3, 6, 32, 0.25, 3, 1), (5, 6, 88, 0.25, 3, 2), (3, 6, 144, 0, 1, 1),
    ),
}  # fmt: skip


@register_models(
    {
        "semnasnet_035": Variant({"form": "a1", "width": 0.35}, top1=64.1),
        "semnasnet_050": Variant({"form": "a1", "width": 0.5}, top1=68.9, timm="semnasnet_050"),
        "semnasnet_075": Variant({"form": "a1", "width": 0.75}, top1=73.3, timm="semnasnet_075"),
        "semnasnet_100": Variant({"form": "a1"}, top1=75.2, timm="semnasnet_100"),
        "semnasnet_140": Variant({"form": "a1", "width": 1.4}, top1=77.2, timm="semnasnet_140"),
        "mnasnet_050": Variant(
            {"form": "b1", "width": 0.5}, top1=67.73, source="torchvision", timm="mnasnet_050", torchvision="mnasnet0_5"
        ),
        "mnasnet_075": Variant(
            {"form": "b1", "width": 0.75},
            top1=71.18,
            source="torchvision",
            timm="mnasnet_075",
            torchvision="mnasnet0_75",
        ),
        "mnasnet_100": Variant({"form": "b1"}, top1=74.67, source="timm", timm="mnasnet_100", torchvision="mnasnet1_0"),
        "mnasnet_130": Variant(
            {"form": "b1", "width": 1.3}, top1=76.51, source="torchvision", torchvision="mnasnet1_3"
        ),
        "mnasnet_140": Variant({"form": "b1", "width": 1.4}, timm="mnasnet_140"),
        "mnasnet_small": Variant({"form": "small"}, top1=66.2, source="timm", timm="mnasnet_small"),
    },
    paper="arXiv:1807.11626",
    year=2018,
    top1_source="official README",
)
def mnasnet(form: Literal["a1", "b1", "small"], width: float = 1.0, resolution: int = 224) -> ArchSpec:
    """Return MnasNet; squeeze-and-excitation is reduced relative to the input of a block."""
    small = form == "small"
    blocks = [BlockSpec(kind="conv", out_chans=make_divisible((8 if small else 32) * width), stride=2)]
    for kernel, expand, chans, se_ratio, repeats, stride in _STAGES[form]:
        options: dict[str, Any] = {"kernel": kernel, "expand": float(expand), "act": "relu"}
        if se_ratio:
            options |= {"se_ratio": se_ratio, "se_of": "input", "se_divisor": 1, "se_gate": "sigmoid"}
        blocks += stage("inverted_residual", make_divisible(chans * width), repeats, stride, **options)
    blocks.append(BlockSpec(kind="conv", out_chans=1280, options={"kernel": 1}))
    head = {"options": {"dropout": 0.0 if small else 0.2}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head)
