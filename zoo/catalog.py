"""What is known of the networks: names by pattern and size, facts of each, without building any."""

import csv
import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import torch

from zoo.blocks import BLOCKS
from zoo.counting import complexity
from zoo.errors import EdgezooError
from zoo.models import MODELS, BaselineEntry
from zoo.network import Network

TIMM_PREFIX = "timm/"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a published network.

    Attributes:
        params: learned values with 1000 classes, in the form that is shipped.
        macs: multiply-adds of convolutions and linear layers for one RGB image of `resolution` pixels.
        reported_top1: published ImageNet accuracy in percent, None where there is none.
        top1_source: who published it.
        blocks: kinds of block it is made of; none for a baseline, which has no spec.
        mean, std: of the images it expects, in 0..1.
    """

    name: str
    family: str
    params: int
    macs: int
    resolution: int
    reported_top1: float | None
    top1_source: str
    paper: str
    year: int
    blocks: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Figures:
    """What counting a network gives; see `ModelInfo`."""

    params: int
    macs: int
    resolution: int
    blocks: tuple[str, ...]


@cache
def recorded_figures() -> Mapping[str, Figures]:
    """Return the figures in figures.csv, which `scripts/count_models.py` writes, by name."""
    rows = csv.DictReader(resources.files("zoo.models").joinpath("figures.csv").read_text().splitlines())
    return {
        r["name"]: Figures(int(r["params"]), int(r["macs"]), int(r["resolution"]), tuple(r["blocks"].split()))
        for r in rows
    }


def count(name: str) -> Figures:
    """Count a network of the zoo afresh, on the meta device: no memory is taken for weights."""
    entry = MODELS.get(name)
    with torch.device("meta"):
        if isinstance(entry, BaselineEntry):
            network, resolution, blocks = entry.create(1000, 3), entry.resolution, set[str]()
        else:
            spec = entry.make().deployed()
            network, resolution, blocks = Network(spec, 1000, 3), spec.resolution, {b.kind for b in spec.blocks}
    cost = complexity(network, (3, resolution, resolution))
    return Figures(cost.params, cost.macs, resolution, tuple(sorted(blocks)))


@cache
def _figures(name: str) -> Figures:
    return recorded_figures().get(name) or count(name)


def model_info(name: str) -> ModelInfo:
    """Return the facts of a published network; raises UnknownNameError with the nearest names."""
    entry, figures = MODELS.get(name), _figures(name)
    return ModelInfo(
        name=name,
        family=entry.family,
        params=figures.params,
        macs=figures.macs,
        resolution=figures.resolution,
        reported_top1=entry.reported_top1,
        top1_source=entry.top1_source,
        paper=entry.paper,
        year=entry.year,
        blocks=figures.blocks,
        mean=entry.mean,
        std=entry.std,
    )


def list_models(
    pattern: str = "*",
    *,
    family: str | None = None,
    block: str | None = None,
    max_params_m: float | None = None,
    max_macs_m: float | None = None,
) -> list[str]:
    """Return the sorted names that match a wildcard `pattern`; `timm/...` patterns list timm's networks.

    Args:
        family: wildcard for the family.
        block: only networks with this kind of block; raises UnknownNameError where there is none such.
        max_params_m, max_macs_m: only networks of at most so many million parameters, multiply-adds.

    >>> list_models("ghostnet_*", max_params_m=6)
    ['ghostnet_050', 'ghostnet_100']
    """
    filters = {"family": family, "block": block, "max_params_m": max_params_m, "max_macs_m": max_macs_m}
    if pattern.startswith(TIMM_PREFIX):
        used = [name for name, value in filters.items() if value is not None]
        if used:
            raise EdgezooError(f"{' and '.join(used)}: not known of timm's networks; filter them by name")
        from zoo.timm_import import timm

        return [TIMM_PREFIX + name for name in timm.list_models(pattern.removeprefix(TIMM_PREFIX))]
    names: Iterable[str] = MODELS.names(pattern)
    if family is not None:
        names = [name for name in names if fnmatch.fnmatchcase(MODELS.get(name).family, family)]
    if block is not None:
        BLOCKS.get(block)
        names = [name for name in names if block in _figures(name).blocks]
    if max_params_m is not None:
        names = [name for name in names if _figures(name).params <= max_params_m * 1e6]
    if max_macs_m is not None:
        names = [name for name in names if _figures(name).macs <= max_macs_m * 1e6]
    return list(names)


def list_blocks(pattern: str = "*") -> list[str]:
    """Return the sorted kinds of block that match a wildcard `pattern`."""
    return BLOCKS.names(pattern)
