"""Which layers of a network show its stages, and hooks that hand out what they give."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from model_compression.distillation.features import Features, Shapes
from model_compression.errors import DistillationError
from zoo.errors import unknown_name


@dataclass(frozen=True)
class Layers:
    """Names of modules.

    Attributes:
        stages: whose outputs are the feature maps, early to late.
        classifier: whose input is the embedding.
    """

    stages: tuple[str, ...]
    classifier: str


class _Call(NamedTuple):
    """Pixels that a module saw and gave; 0 for what is no feature map."""

    module: nn.Module
    before: int
    after: int


def find_layers(network: nn.Module, image_shape: Sequence[int]) -> Layers:
    """Return the last layer of every resolution, and the classifier, from one pass of an image (C, H, W).

    Inside a block that makes maps smaller, and where a block squeezes its map for a while, nothing counts: a stage ends
    where a block does. Maps of one pixel are left to the embedding.
    """
    calls = _record(network, image_shape)
    stages: dict[int, str] = {}
    for name, call in calls.items():
        # what is larger than a map before it was enlarged again, in a decoder
        if 1 < call.after <= min(stages, default=math.inf) and all(_is_trunk(name, o, calls) for o in _outer(name)):
            stages[call.after] = name
    # in the order in which they ended
    classifiers = [name for name, call in calls.items() if isinstance(call.module, nn.Linear | nn.Conv2d | nn.Conv3d)]
    if not classifiers:
        raise DistillationError(f"{type(network).__name__} has no linear or convolution layer whose input is embedded")
    return Layers(tuple(stages.values()), classifiers[-1])


def _record(network: nn.Module, image_shape: Sequence[int]) -> dict[str, _Call]:
    """Return the modules that ran, in the order in which they ended; those that ran twice only as they ended first."""
    calls: dict[str, _Call] = {}

    def listen(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            calls.setdefault(name, _Call(module, _pixels(inputs[0] if inputs else None), _pixels(output)))

        return module.register_forward_hook(note)

    handles = [listen(name, module) for name, module in network.named_modules() if name]
    try:
        _try_out(network, image_shape)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _try_out(network: nn.Module, image_shape: Sequence[int]) -> None:
    training, reference = network.training, next(network.parameters(), torch.empty(0))
    network.eval()
    with torch.no_grad():
        network(torch.zeros(2, *image_shape, device=reference.device))
    network.train(training)


def _pixels(value: Any) -> int:
    return math.prod(value.shape[2:]) if isinstance(value, Tensor) and value.ndim == 4 else 0


def _outer(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _is_trunk(name: str, outer: str, calls: dict[str, _Call]) -> bool:
    """Whether a module's map can be a stage although the module lies in `outer`."""
    around = calls.get(outer)
    if around is None or not around.after:
        return True
    if calls[name].after < around.after:
        return False  # squeezed for a while
    if isinstance(around.module, nn.Sequential) or calls[name].after != around.before or around.before == around.after:
        return True
    # at the entry of something that makes maps smaller: the first stage of a whole trunk, or the inside of a block
    inner = (call.after for other, call in calls.items() if other.startswith(outer + "."))
    return any(around.after < pixels < around.before for pixels in inner)


class Tap:
    """What named layers of a network gave in its last forward pass. `close()` takes the hooks away."""

    def __init__(self, network: nn.Module, layers: Layers, *, owner: str) -> None:
        """Set the hooks; raises UnknownNameError for a layer that `network`, the `owner` in messages, lacks."""
        modules = dict(network.named_modules())
        for name in (*layers.stages, layers.classifier):
            if name not in modules:
                raise unknown_name("layer", name, modules, f"in the {owner}")
        self.layers, self.owner = layers, owner
        self._network = network
        self._maps: dict[str, Any] = {}
        self._embedding: Tensor | None = None
        self._handles = [self._keep(name, modules[name]) for name in layers.stages]
        self._handles.append(modules[layers.classifier].register_forward_pre_hook(self._embed))

    def _keep(self, name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            self._maps[name] = output

        return module.register_forward_hook(keep)

    def _embed(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._embedding = inputs[0].flatten(2).mean(2) if inputs[0].ndim > 2 else inputs[0]

    def features(self) -> Features:
        """Return the features of the last forward pass, once; raises DistillationError for NaN or what is no map."""
        missing = [name for name in self.layers.stages if name not in self._maps]
        if missing or self._embedding is None:
            raise DistillationError(
                f"layer {(missing or [self.layers.classifier])[0]!r} of the {self.owner} did not run in its last pass"
            )
        maps = [self._maps[name] for name in self.layers.stages]
        named = zip((*self.layers.stages, self.layers.classifier), (*maps, self._embedding), strict=True)
        for name, value in named:
            if name in self._maps and not (isinstance(value, Tensor) and value.ndim == 4):
                raise DistillationError(f"layer {name!r} of the {self.owner} gives no feature map (N, C, H, W)")
            if not torch.isfinite(value).all():
                raise DistillationError(
                    f"features of the {self.owner} at layer {name!r} are not finite; check its weights"
                )
        features = Features(maps, self._embedding)
        self._maps, self._embedding = {}, None
        return features

    def shapes(self, image_shape: Sequence[int]) -> Shapes:
        """Return the shapes of the features of an image (C, H, W)."""
        _try_out(self._network, image_shape)
        found = self.features()
        return Shapes(tuple(tuple(m.shape[1:]) for m in found.maps), found.embedding.shape[1])

    def close(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
