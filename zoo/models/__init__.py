"""Published networks. A new family is one file here: a function that returns an ArchSpec, and `@register_models`.

>>> from zoo.models import MODELS
>>> MODELS.get("mobilenetv2_100").family
'mobilenetv2'
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from zoo.registry import Registry
from zoo.spec import ArchSpec, BlockSpec


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a network comes from, and what is published of it.

    Attributes:
        reported_top1: ImageNet accuracy in percent as published; None where nobody did.
        top1_source: who published it.
        mean, std: of the images it expects, in 0..1.
    """

    family: str
    paper: str
    year: int
    reported_top1: float | None = None
    top1_source: str = ""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class ModelEntry(Provenance):
    """A published network of the zoo's own blocks.

    Attributes:
        make: returns the ArchSpec.
        timm: timm's name of the same network, whose weights fit in order; "" where there is none.
        torchvision: the same for torchvision.
    """

    make: Callable[[], ArchSpec]
    timm: str = ""
    torchvision: str = ""


@dataclass(frozen=True, kw_only=True)
class BaselineEntry(Provenance):
    """A network to compare with, taken from timm or torchvision: it has no spec.

    Attributes:
        create: called as `create(num_classes, in_chans, **options)`, returns the module.
        resolution: pixels of the images it is meant for.
    """

    create: Callable[..., nn.Module]
    resolution: int = 224


@dataclass(frozen=True)
class Variant:
    """One network of a family: the arguments of the family's function, the published accuracy, whose twin it is.

    `source` says who published `top1` where it is not the family's `top1_source`.
    """

    args: Mapping[str, Any] = field(default_factory=dict)
    top1: float | None = None
    source: str = ""
    timm: str = ""
    torchvision: str = ""


MODELS: Registry[ModelEntry | BaselineEntry] = Registry("model", "zoo.models", "see zoo.list_models()")

SpecMaker = Callable[..., ArchSpec]


def stage(kind: str, chans: int, repeats: int, stride: int = 2, **options: Any) -> list[BlockSpec]:
    """Return `repeats` blocks of a kind, alike but for the stride of the first one."""
    strides = (stride if index == 0 else 1 for index in range(repeats))
    return [BlockSpec(kind=kind, out_chans=chans, stride=step, options=options) for step in strides]


def register_models(
    variants: Mapping[str, Variant], *, paper: str, year: int, top1_source: str = "paper", **metadata: Any
) -> Callable[[SpecMaker], SpecMaker]:
    """Return a decorator that registers each variant of a family; the function's name is the family's.

    Args:
        variants: name of the network -> what sets it apart.
        top1_source: who published the accuracies.
        metadata: `mean` and `std` where they are not ImageNet's usual ones.
    """

    def add(maker: SpecMaker) -> SpecMaker:
        for name, variant in variants.items():
            entry = ModelEntry(
                make=lambda variant=variant: maker(**variant.args),
                family=maker.__name__,
                paper=paper,
                year=year,
                reported_top1=variant.top1,
                top1_source=(variant.source or top1_source) if variant.top1 is not None else "",
                timm=variant.timm,
                torchvision=variant.torchvision,
                **metadata,
            )
            MODELS.register(name)(entry)
        return maker

    return add
