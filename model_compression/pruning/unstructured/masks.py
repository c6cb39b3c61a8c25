"""Masks over the weights of a network: zeros that no optimizer step fills."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from model_compression.errors import PruningError
from zoo.errors import unknown_name

Scope = Literal["global", "local"]


class Mask(nn.Module):
    """A parametrization of a weight: zero where `mask` is False, with no gradient there.

    What lies under the mask is kept, unseen, as `layer.parametrizations.weight.original`.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask.bool())

    def forward(self, weight: Tensor) -> Tensor:
        return torch.where(self.mask, weight, 0.0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Let `layer.weight = tensor` set what lies under the mask."""
        return weight


def prunable_layers(network: nn.Module, *, exclude: Collection[str] = ()) -> dict[str, nn.Module]:
    """Return the convolutions and linear layers by name, those that `exclude` names left out.

    Raises PruningError where none is left or weights are not finite, UnknownNameError for a name that is no such layer.
    """
    found = {name: layer for name, layer in network.named_modules() if isinstance(layer, _ConvNd | nn.Linear)}
    for name in exclude:
        if name not in found:
            raise unknown_name("layer", name, found)
    layers = {name: layer for name, layer in found.items() if name not in exclude and layer.weight.numel()}
    if not layers:
        raise PruningError(f"{type(network).__name__} has no convolution or linear layer whose weights can be pruned")
    for name, layer in layers.items():
        if not torch.isfinite(layer.weight).all():
            raise PruningError(f"weights of layer {name!r} are NaN or infinite; train it anew before pruning")
    return layers


def prunable_weights(network: nn.Module, *, exclude: Collection[str] = ()) -> dict[str, Tensor]:
    """Return the weights of `prunable_layers` as the network uses them: zero where masked."""
    return {name: layer.weight.detach() for name, layer in prunable_layers(network, exclude=exclude).items()}


def set_masks(network: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Put masks, True where a weight is kept, over the weights of the named layers, in place of those there.

    A weight that an earlier mask hid and this one keeps is seen again as it was. Raises UnknownNameError for a layer
    that there is not, PruningError for a mask of another shape than the weights.
    """
    layers = prunable_layers(network)
    for name, mask in masks.items():
        if name not in layers:
            raise unknown_name("layer", name, layers)
        layer = layers[name]
        if mask.shape != layer.weight.shape:
            raise PruningError(
                f"the mask of layer {name!r} is {tuple(mask.shape)} and its weights {tuple(layer.weight.shape)}"
            )
        present = mask_of(layer)
        if present is None:
            attach(layer, Mask(mask))
        else:
            present.mask.copy_(mask)


def get_masks(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of the masks by layer; empty for a network without."""
    found = {name: mask_of(layer) for name, layer in network.named_modules()}
    return {name: mask.mask.clone() for name, mask in found.items() if mask is not None}


def remove_masks(network: nn.Module) -> None:
    """Take the masks away and leave the zeros: the network is then as it was built, with ordinary weights."""
    for layer in list(network.modules()):
        if mask_of(layer) is not None:
            _remove(layer)


def sparsity(network: nn.Module) -> float:
    """Return the share of weights, 0..1, of all convolutions and linear layers that are zero."""
    weights = prunable_weights(network).values()
    return 1 - sum(int(weight.count_nonzero()) for weight in weights) / sum(weight.numel() for weight in weights)


def mask_of(layer: nn.Module) -> Mask | None:
    """Return the mask over the weight of `layer`, if there is one."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    parametrizations: Any = layer.parametrizations
    return next((part for part in parametrizations["weight"] if isinstance(part, Mask)), None)


def attach(layer: nn.Module, mask: Mask) -> None:
    """Put `mask` over the weight of `layer`; the zeros of a mask that is there become its weights."""
    if mask_of(layer) is not None:
        _remove(layer)
    parametrize.register_parametrization(layer, "weight", mask.to(layer.weight.device))


def _remove(layer: nn.Module) -> None:
    # torch strips the class that it made for the layer, which copies of the layer share: strip one of its own
    shared = type(layer)
    members = {name: value for name, value in vars(shared).items() if name not in ("__dict__", "__weakref__")}
    layer.__class__ = type(shared.__name__, shared.__bases__, members)
    parametrize.remove_parametrizations(layer, "weight")


def keep_highest(scores: Mapping[str, Tensor], sparsity: float, *, scope: Scope = "global") -> dict[str, Tensor]:
    """Return masks that hide the lowest `scores`: of all layers together, or the same share of each ("local").

    Of n scores exactly round(sparsity n) are hidden. Raises PruningError for a sparsity outside [0, 1) and for scores
    that are NaN, UnknownNameError for another scope.
    """
    check_sparsity(sparsity)
    for name, score in scores.items():
        if score.isnan().any():
            raise PruningError(f"scores of layer {name!r} are NaN; the loss or its gradient is not finite")
    if scope == "local":
        return {name: _keep_highest(score.flatten(), sparsity).view_as(score) for name, score in scores.items()}
    if scope != "global":
        raise unknown_name("scope", scope, ("global", "local"))
    kept = _keep_highest(torch.cat([score.flatten() for score in scores.values()]), sparsity)
    parts = kept.split([score.numel() for score in scores.values()])
    return {name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)}


def check_sparsity(sparsity: float) -> None:
    """Raise PruningError for a share of zeros outside [0, 1)."""
    if not 0 <= sparsity < 1:
        raise PruningError(f"sparsity {sparsity} is not a share of weights; give 0 or more and less than 1")


def _keep_highest(scores: Tensor, sparsity: float) -> Tensor:
    kept = torch.ones_like(scores, dtype=torch.bool)
    kept[scores.topk(round(sparsity * len(scores)), largest=False).indices] = False
    return kept
