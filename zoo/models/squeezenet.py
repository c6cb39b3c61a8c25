"""SqueezeNet (Iandola et al., arXiv:1602.07360): as ported to PyTorch, and with bypasses, as the Caffe file has it."""

from typing import Any

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_POOL: dict[str, Any] = {"padding": 0, "ceil_mode": True}
_FIRES = (128, 128, 256, 256, 384, 384, 512, 512)  # output channels of fire2 to fire9
_V1_0: dict[str, Any] = {"stem_chans": 96, "stem_kernel": 7, "pools_before": (0, 3, 7)}
_V1_1: dict[str, Any] = {"stem_chans": 64, "stem_kernel": 3, "pools_before": (0, 2, 4)}
_CAFFE: dict[str, Any] = {**_V1_0, "head_padding": 1, "resolution": 227}


@register_models(
    {
        "squeezenet1_0": Variant(_V1_0, top1=57.5, torchvision="squeezenet1_0"),
        "squeezenet1_0_bypass": Variant({**_CAFFE, "bypass": "simple"}, top1=60.38, source="official README"),
        "squeezenet1_0_complex_bypass": Variant({**_CAFFE, "bypass": "complex"}, top1=58.8),
        "squeezenet1_1": Variant(_V1_1, top1=58.18, source="torchvision", torchvision="squeezenet1_1"),
    },
    paper="arXiv:1602.07360",
    year=2016,
)
def squeezenet(
    stem_chans: int,
    stem_kernel: int,
    pools_before: tuple[int, ...],
    bypass: str = "none",
    head_padding: int = 0,
    resolution: int = 224,
) -> ArchSpec:
    """Return SqueezeNet; `pools_before` are the places among the eight fire modules where a max pool stands."""
    stem_options = {"kernel": stem_kernel, "norm": False, "padding": 0}
    blocks = [BlockSpec(kind="conv", out_chans=stem_chans, stride=2, options=stem_options)]
    for index, chans in enumerate(_FIRES):
        if index in pools_before:
            blocks.append(BlockSpec(kind="max_pool", out_chans=blocks[-1].out_chans, stride=2, options=_POOL))
        blocks.append(BlockSpec(kind="fire", out_chans=chans, options={"bypass": bypass}))
    head = {"kind": "conv", "options": {"padding": head_padding}}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, init="squeezenet")
