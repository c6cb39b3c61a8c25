"""SqueezeNet (Iandola et al., arXiv:1602.07360), with the symmetric padding of the PyTorch ports."""

from typing import Any

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_POOL: dict[str, Any] = {"padding": 0, "ceil_mode": True}
_FIRES = (128, 128, 256, 256, 384, 384, 512, 512)  # output channels of fire2 to fire9


@register_models(
    {
        "squeezenet1_0": Variant({"stem_chans": 96, "stem_kernel": 7, "pools_before": (0, 3, 7)}, top1=57.5),
        "squeezenet1_1": Variant({"stem_chans": 64, "stem_kernel": 3, "pools_before": (0, 2, 4)}, top1=58.18),
    },
    paper="arXiv:1602.07360",
    year=2016,
)
def squeezenet(stem_chans: int, stem_kernel: int, pools_before: tuple[int, ...], resolution: int = 224) -> ArchSpec:
    """Return SqueezeNet; `pools_before` are the places among the eight fire modules where a max pool stands."""
    stem_options = {"kernel": stem_kernel, "norm": False, "padding": 0}
    blocks = [BlockSpec(kind="conv", out_chans=stem_chans, stride=2, options=stem_options)]
    for index, chans in enumerate(_FIRES):
        if index in pools_before:
            blocks.append(BlockSpec(kind="max_pool", out_chans=blocks[-1].out_chans, stride=2, options=_POOL))
        blocks.append(BlockSpec(kind="fire", out_chans=chans))
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head={"kind": "conv"})
