"""Networks by name, as timm has it: `create_model` and `get_spec`."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from zoo.catalog import TIMM_PREFIX
from zoo.errors import EdgezooError, SpecError, first_line, unknown_name
from zoo.features import FeatureNetwork, feature_points
from zoo.models import MODELS, BaselineEntry, ModelEntry
from zoo.network import build_network
from zoo.spec import ArchSpec
from zoo.weights.pretrained import load_pretrained

_OPTIONS = tuple(p.name for p in inspect.signature(build_network).parameters.values() if p.kind is p.KEYWORD_ONLY)

Pretrained = bool | Literal["timm", "torchvision"] | str | Path


def _entry(name: str) -> ModelEntry:
    entry = MODELS.get(name)
    if isinstance(entry, BaselineEntry):
        raise SpecError(f"{name!r} is a baseline out of {entry.paper} without a spec; only create_model makes it")
    return entry


def get_spec(name: str) -> ArchSpec:
    """Return the ArchSpec of a published network; raises UnknownNameError with the nearest names."""
    return _entry(name).make()


def create_model(
    name: str,
    num_classes: int = 1000,
    in_chans: int = 3,
    *,
    pretrained: Pretrained = False,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    output_stride: int = 32,
    **options: Any,
) -> nn.Module:
    """Return a network by name: (N, in_chans, H, W) -> (N, num_classes).

    Args:
        name: of the zoo (`list_models()`), or `timm/NAME` for any network of timm.
        num_classes: 0 gives pooled features.
        pretrained: True for weights that an installed package holds, "timm" or "torchvision" for theirs (they
            download), a path for a safetensors file of ours. The classifier is left new where the classes differ, the
            first convolution adapted where the channels do.
        features_only: a network that returns a list of feature maps, with timm's `feature_info`.
        out_indices: which of those; all by default.
        output_stride: 8 or 16 puts dilation in the place of the later strides, where the blocks allow it.
        options: `drop_rate`, `drop_path_rate`, `seed` as in `ArchSpec.build`; timm's own for its networks.

    Raises UnknownNameError for a name or option that is not known, SpecError where a network cannot do what is asked,
    WeightsError where weights are missing or do not fit.
    """
    features: dict[str, Any] = {"features_only": True, "out_indices": out_indices} if features_only else {}
    if out_indices is not None and not features_only:
        raise SpecError("out_indices goes with features_only=True")
    if name.startswith(TIMM_PREFIX):
        stride = {"output_stride": output_stride} if output_stride != 32 else {}
        options |= features | stride | ({"pretrained": pretrained} if pretrained else {})
        return create_timm_model(name.removeprefix(TIMM_PREFIX), num_classes, in_chans, **options)
    entry = MODELS.get(name)
    for option in options:
        if option not in _OPTIONS:
            raise unknown_name("option", option, _OPTIONS, f"for {name}")
    if isinstance(entry, BaselineEntry):
        stride = {"output_stride": output_stride} if output_stride != 32 else {}
        return entry.create(num_classes, in_chans, pretrained=pretrained, **features, **stride, **options)
    spec = entry.make()
    points = feature_points(spec)
    if output_stride != 32:
        spec = spec.at_output_stride(output_stride)
    network = spec.build(num_classes, in_chans, **options)
    if pretrained:
        load_pretrained(network, name, entry, pretrained)
    return FeatureNetwork(network, points, out_indices) if features_only else network


def create_timm_model(name: str, num_classes: int, in_chans: int, **options: Any) -> nn.Module:
    """Return a network of timm; `seed` decides its first weights. Raises UnknownNameError or EdgezooError."""
    from zoo.timm_import import timm

    if not timm.is_model(name):
        known = (TIMM_PREFIX + n for n in timm.list_models())
        raise unknown_name("model", TIMM_PREFIX + name, known, "see zoo.list_models('timm/*')")
    seed = options.pop("seed", None)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        try:
            return timm.create_model(name, num_classes=num_classes, in_chans=in_chans, **options)
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise EdgezooError(f"timm cannot make {name!r}: {first_line(error)}") from error
