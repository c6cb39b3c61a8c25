"""ESPNet for semantic segmentation (Mehta et al., arXiv:1803.06815)."""

from zoo.models import Variant, register_models
from zoo.spec import ArchSpec, BlockSpec

_IMAGE_CHANS = 3


@register_models(
    {
        "espnet_c_p2_q3": Variant({"q": 3, "decoder": False}),
        "espnet_c_p2_q5": Variant({"q": 5, "decoder": False}),
        "espnet_c_p2_q8": Variant({"q": 8, "decoder": False}),
        "espnet_p2_q3": Variant({"q": 3}),
        "espnet_p2_q5": Variant({"q": 5}),
        "espnet_p2_q8": Variant({"q": 8}),
    },
    paper="arXiv:1803.06815",
    year=2018,
)
def espnet(p: int = 2, q: int = 3, decoder: bool = True, resolution: int = 512) -> ArchSpec:
    """Return ESPNet, or ESPNet-C, which scores the map of stride 8 instead of decoding it to stride 1.

    Args:
        p, q: ESP modules after the first one in the second and third stage (figure 4).
    """
    blocks = (
        _stage(16 + _IMAGE_CHANS, first="conv", repeats=0, image_pools=1),
        _stage(2 * 64 + _IMAGE_CHANS, repeats=p, image_pools=2),
        _stage(2 * 128, repeats=q),
    )
    head = {"kind": "esp_decoder" if decoder else "segment"}
    return ArchSpec(resolution=resolution, blocks=blocks, head=head, bn_eps=1e-3, init="he_fan_in")


def _stage(chans: int, **options: object) -> BlockSpec:
    return BlockSpec(kind="esp_stage", out_chans=chans, stride=2, options=options)
