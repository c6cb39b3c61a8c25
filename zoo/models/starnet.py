"""StarNet (Ma et al., arXiv:2403.19967)."""

from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec


@register_models(
    {
        "starnet_s050": Variant({"width": 16, "depths": (1, 1, 3, 1), "expand": 3.0}, timm="starnet_s050"),
        "starnet_s100": Variant({"width": 20, "depths": (1, 2, 4, 1)}, timm="starnet_s100"),
        "starnet_s150": Variant({"width": 24, "depths": (1, 2, 4, 2), "expand": 3.0}, timm="starnet_s150"),
        "starnet_s1": Variant({"width": 24, "depths": (2, 2, 8, 3)}, top1=73.53, timm="starnet_s1"),
        "starnet_s2": Variant({"width": 32, "depths": (1, 2, 6, 2)}, top1=74.67, timm="starnet_s2"),
        "starnet_s3": Variant({"width": 32, "depths": (2, 2, 8, 4)}, top1=77.38, timm="starnet_s3"),
        "starnet_s4": Variant({"width": 32, "depths": (3, 3, 12, 5)}, top1=78.82, timm="starnet_s4"),
    },
    paper="arXiv:2403.19967",
    year=2024,
    top1_source="timm",
)
def starnet(width: int, depths: tuple[int, ...], expand: float = 4.0, resolution: int = 224) -> ArchSpec:
    """Return StarNet; `width` is the channels of the first of four stages, each later one has twice as many."""
    blocks = [BlockSpec(kind="conv", out_chans=32, stride=2, options={"bias": True, "act": "relu6"})]
    for number, depth in enumerate(depths):
        blocks += stage("star", width * 2**number, depth, expand=expand)
    head = {"options": {"norm": True}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="trunc_normal")
