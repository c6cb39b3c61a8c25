"""Networks by name, as timm has it: `create_model`, `list_models`, `model_info`, `get_spec`."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from zoo.blocks import BLOCKS
from zoo.complexity import complexity
from zoo.errors import unknown_name
from zoo.models import MODELS
from zoo.network import Network
from zoo.spec import ArchSpec

TIMM_PREFIX = "timm/"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a published network.

    Attributes:
        params: learned values with 1000 classes.
        macs: multiply-adds of convolutions and linear layers for one RGB image of `resolution` pixels.
        reported_top1: published ImageNet accuracy in percent, None where there is none.
        blocks: kinds of block it is made of.
    """

    name: str
    family: str
    params: int
    macs: int
    resolution: int
    reported_top1: float | None
    paper: str
    year: int
    blocks: tuple[str, ...]


def list_models(pattern: str = "*") -> list[str]:
    """Return the sorted names that match a wildcard `pattern`; `timm/...` patterns list timm's networks.

    >>> list_models("ghostnet_1*")
    ['ghostnet_100', 'ghostnet_130']
    """
    if pattern.startswith(TIMM_PREFIX):
        from zoo.timm_import import timm

        return [TIMM_PREFIX + name for name in timm.list_models(pattern.removeprefix(TIMM_PREFIX))]
    return MODELS.names(pattern)


def list_blocks(pattern: str = "*") -> list[str]:
    """Return the sorted kinds of block that match a wildcard `pattern`."""
    return BLOCKS.names(pattern)


def get_spec(name: str) -> ArchSpec:
    """Return the ArchSpec of a published network; raises UnknownNameError with the nearest names."""
    return MODELS.get(name).make()


def create_model(name: str, num_classes: int = 1000, in_chans: int = 3, **options: Any) -> nn.Module:
    """Return a network by name with fresh weights: (N, in_chans, H, W) -> (N, num_classes).

    Args:
        name: of the zoo (`list_models()`), or `timm/NAME` for any network of timm.
        num_classes: 0 gives pooled features.
        options: `drop_rate`, `drop_path_rate`, `seed` as in `ArchSpec.build`; timm's own for its networks.
    """
    if name.startswith(TIMM_PREFIX):
        return _create_timm_model(name.removeprefix(TIMM_PREFIX), num_classes, in_chans, **options)
    return get_spec(name).build(num_classes, in_chans, **options)


def _create_timm_model(name: str, num_classes: int, in_chans: int, **options: Any) -> nn.Module:
    from zoo.timm_import import timm

    if not timm.is_model(name):
        known = (TIMM_PREFIX + n for n in timm.list_models())
        raise unknown_name("model", TIMM_PREFIX + name, known, "see zoo.list_models('timm/*')")
    seed = options.pop("seed", None)
    if seed is None:
        return timm.create_model(name, num_classes=num_classes, in_chans=in_chans, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(name, num_classes=num_classes, in_chans=in_chans, **options)


@cache
def model_info(name: str) -> ModelInfo:
    """Return the facts of a published network, counted on the meta device: no memory is taken for weights."""
    entry = MODELS.get(name)
    spec = entry.make()
    with torch.device("meta"):
        network = Network(spec, num_classes=1000, in_chans=3)
        count = complexity(network, (3, spec.resolution, spec.resolution))
    return ModelInfo(
        name=name,
        family=entry.family,
        params=count.params,
        macs=count.macs,
        resolution=spec.resolution,
        reported_top1=entry.reported_top1,
        paper=entry.paper,
        year=entry.year,
        blocks=tuple(sorted({block.kind for block in spec.blocks})),
    )
