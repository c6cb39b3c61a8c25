"""The zoo's networks in timm, under the prefix `edgezoo_`: importing this module registers them.

>>> import zoo.timm_bridge
>>> from zoo.timm_import import timm
>>> timm.list_models("edgezoo_ghostnet_1*")
['edgezoo_ghostnet_100', 'edgezoo_ghostnet_130']
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from zoo.catalog import list_models, model_info
from zoo.factory import create_model
from zoo.timm_import import register_model

PREFIX = "edgezoo_"

default_cfgs: dict[str, dict[str, Any]] = {}  # timm looks for them under this name


def _config(name: str) -> dict[str, Any]:
    info = model_info(name)
    return {
        "num_classes": 1000,
        "input_size": (3, info.resolution, info.resolution),
        "crop_pct": 0.875,
        "interpolation": "bicubic",
        "mean": info.mean,
        "std": info.std,
        "classifier": "head.classifier",
        "paper_ids": info.paper,
    }


def _entrypoint(name: str) -> Callable[..., nn.Module]:
    def create(
        pretrained: bool = False,
        *,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: Mapping[str, Any] | None = None,
        cache_dir: str | None = None,
        **options: Any,
    ) -> nn.Module:
        source = (pretrained_cfg_overlay or {}).get("file", True) if pretrained else False
        network = create_model(name, pretrained=source, **options)
        network.pretrained_cfg = network.default_cfg = default_cfgs[PREFIX + name]  # type: ignore[assignment]
        return network

    create.__name__ = create.__qualname__ = PREFIX + name
    return create


for _name in list_models():
    default_cfgs[PREFIX + _name] = _config(_name)
    register_model(_entrypoint(_name))
