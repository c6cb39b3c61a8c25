"""FasterNet (Chen et al., arXiv:2303.03667)."""

from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

_DEPTHS = (1, 2, 8, 2)


@register_models(
    {
        "fasternet_t0": Variant({"width": 40, "act": "gelu"}, top1=71.9),
        "fasternet_t1": Variant({"width": 64, "act": "gelu"}, top1=76.2),
        "fasternet_t2": Variant({"width": 96, "act": "relu"}, top1=78.9),
    },
    paper="arXiv:2303.03667",
    year=2023,
    top1_source="official README",
)
def fasternet(width: int, act: str, resolution: int = 224) -> ArchSpec:
    """Return FasterNet; `width` is the channels of the first of four stages, each later one has twice as many."""
    embedding = {"kernel": 4, "padding": 0, "act": "none"}
    blocks = [BlockSpec(kind="conv", out_chans=width, stride=4, options=embedding)]
    for number, depth in enumerate(_DEPTHS):
        blocks += stage("fasternet", width * 2**number, depth, stride=2 if number else 1, act=act)
    head = {"options": {"hidden": 1280, "hidden_bias": False, "act": act}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="trunc_normal")
