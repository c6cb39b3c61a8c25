"""The large networks to compare with, out of timm and torchvision; see docs/table1.md.

>>> sorted(BASELINES)[:3]
['alexnet', 'densenet121', 'googlenet']
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.errors import SpecError
from zoo.features import FeatureNetwork
from zoo.models import BaselineEntry
from zoo.models.torchvision_network import create_torchvision_network

# timm has no AlexNet and GoogLeNet, and its VGG slides the linear layers over larger maps: other MACs at 512 pixels
_FROM_TORCHVISION = ("alexnet", "googlenet", "vgg16", "vgg19")
_TIMM_NAMES = {"senet154": "legacy_senet154"}


def create_baseline(
    name: str,
    num_classes: int = 1000,
    in_chans: int = 3,
    *,
    pretrained: bool | str | Path = False,
    drop_rate: float | None = None,
    drop_path_rate: float = 0.0,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    output_stride: int = 32,
    seed: int | None = None,
) -> nn.Module:
    """Return a network of `BASELINES`: (N, in_chans, H, W) -> (N, num_classes); see `zoo.create_model`.

    Pretrained weights are downloaded by the library that the network comes from: True or its name asks for them.
    Raises EdgezooError or SpecError where that library's network cannot do what is asked.
    """
    library = "torchvision" if name in _FROM_TORCHVISION else "timm"
    if pretrained not in (False, True, library):
        raise SpecError(f"{name} takes its weights from {library} alone: pretrained={library!r}, not {pretrained!r}")
    if library == "torchvision":
        if drop_path_rate or output_stride != 32:
            raise SpecError(f"{name} has no drop_path_rate and no output_stride other than 32")
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            network = create_torchvision_network(name, num_classes, in_chans, pretrained=bool(pretrained))
        for layer in network.modules():
            if isinstance(layer, nn.Dropout) and drop_rate is not None:
                layer.p = drop_rate
        return FeatureNetwork(network, network.feature_points, out_indices) if features_only else network

    from zoo.factory import create_timm_model

    wishes: dict[str, Any] = {
        "pretrained": bool(pretrained),
        "drop_path_rate": drop_path_rate,
        "features_only": features_only,
    }
    options = {option: value for option, value in wishes.items() if value}  # timm's networks know only some of them
    if drop_rate is not None:
        options["drop_rate"] = drop_rate
    if out_indices is not None:
        options["out_indices"] = out_indices
    if output_stride != 32:
        options["output_stride"] = output_stride
    return create_timm_model(_TIMM_NAMES.get(name, name), num_classes, in_chans, seed=seed, **options)


def _entry(name: str, family: str, paper: str, year: int, top1: float, source: str, **metadata: Any) -> BaselineEntry:
    return BaselineEntry(
        create=partial(create_baseline, name),
        family=family,
        paper=paper,
        year=year,
        reported_top1=top1,
        top1_source=source,
        **metadata,
    )


_HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

BASELINES: dict[str, BaselineEntry] = {
    "alexnet": _entry("alexnet", "alexnet", "arXiv:1404.5997", 2014, 56.52, "torchvision"),
    "googlenet": _entry("googlenet", "googlenet", "arXiv:1409.4842", 2014, 69.78, "torchvision", **_HALF),
    "vgg16": _entry("vgg16", "vgg", "arXiv:1409.1556", 2014, 71.59, "torchvision"),
    "vgg19": _entry("vgg19", "vgg", "arXiv:1409.1556", 2014, 72.38, "torchvision"),
    "densenet121": _entry("densenet121", "densenet", "arXiv:1608.06993", 2016, 74.43, "torchvision"),
    "resnet50": _entry("resnet50", "resnet", "arXiv:1512.03385", 2015, 76.13, "torchvision"),
    "resnet152": _entry("resnet152", "resnet", "arXiv:1512.03385", 2015, 78.31, "torchvision"),
    "resnext101_64x4d": _entry("resnext101_64x4d", "resnext", "arXiv:1611.05431", 2016, 79.19, "convnet-burden"),
    "senet154": _entry("senet154", "senet", "arXiv:1709.01507", 2017, 81.32, "convnet-burden"),
}
