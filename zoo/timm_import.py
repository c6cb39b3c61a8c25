"""timm and torchvision, also on machines where torchvision's compiled operators are missing.

PyPI has no CPU build of torchvision: beside a CPU build of PyTorch its import stops at
`operator torchvision::nms does not exist`. Declaring the two operators lets it be imported; the networks, data
sets and transforms need neither. Where torchvision is whole nothing is declared. Everything of timm that edgezoo
uses is imported from here, so that the order is always right.
"""

import torch


def _declare_missing_operators() -> None:
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEEP_ALIVE.append(library)


_KEEP_ALIVE: list[torch.library.Library] = []
_declare_missing_operators()

import timm  # noqa: E402
import torchvision  # noqa: E402
from timm.models._features import FeatureInfo  # noqa: E402
from timm.models._registry import register_model  # noqa: E402
from timm.optim._optim_factory import create_optimizer_v2  # noqa: E402
from torchvision.transforms.v2 import functional as image_functional  # noqa: E402

__all__ = [
    "FeatureInfo",
    "create_optimizer_v2",
    "image_functional",
    "register_model",
    "timm",
    "torchvision",
]
