"""ChannelNet (Gao et al., arXiv:1809.01330)."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_SEPARABLE = {"groups": 1, "repeats": 1, "residual": False}
_GROUP = {"groups": 2}
_GROUP_CHANNEL_WISE = {"groups": 2, "channel_kernel": 8}
_LAYERS = (  # output channels, stride, options (table 1 of the paper)
    (64, 1, _SEPARABLE),
    (128, 2, _SEPARABLE), (128, 1, _SEPARABLE),
    (256, 2, _SEPARABLE), (256, 1, _SEPARABLE),
    (512, 2, _SEPARABLE), (512, 1, _GROUP_CHANNEL_WISE), (512, 1, _GROUP_CHANNEL_WISE), (512, 1, _GROUP),
    (1024, 2, _SEPARABLE),
)  # fmt: skip


@register_models(
    {
        "channelnet_v1": Variant({"version": 1}, top1=70.5),
        "channelnet_v2": Variant({"version": 2}, top1=69.5),
        "channelnet_v3": Variant({"version": 3}, top1=66.7),
    },
    paper="arXiv:1809.01330",
    year=2018,
)
def channelnet(version: int = 1, resolution: int = 224) -> ArchSpec:
    """Return ChannelNet: MobileNetV1 with group modules in the middle, without the authors' dropout of 0.0001.

    Args:
        version: from 2 on the last pointwise convolution is channel-wise, from 3 on the classifier too.
    """
    blocks = [BlockSpec(kind="conv", out_chans=32, stride=2, options={"act": "relu6"})]
    for chans, stride, options in _LAYERS:
        blocks.append(BlockSpec(kind="channel_group", out_chans=chans, stride=stride, options=options))
    if version == 1:
        blocks.append(BlockSpec(kind="channel_group", out_chans=1024, options=_SEPARABLE))
    else:
        linear = {"norm": False, "act": "none"}  # as in the authors' code
        blocks.append(BlockSpec(kind="channel_wise", out_chans=1024, options=linear))
    head = {"kind": "channel_wise" if version >= 3 else "linear"}
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), head=head, padding="same")
