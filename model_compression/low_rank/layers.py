"""Layers of a network that can be decomposed, what they see, and what a decomposition of one computes."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model_compression.errors import FactorizationError
from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition, Layer, Ranks, kernel_of, weight_of
from model_compression.low_rank.fitting import squared_error
from zoo.counting import Complexity, complexity
from zoo.errors import unknown_name


def takes(decomposition: Decomposition, layer: nn.Module) -> bool:
    """Return whether `layer` can be decomposed so."""
    try:
        decomposition.full_ranks(decomposition.take(layer))
    except FactorizationError:
        return False
    return True


def decomposable(network: nn.Module, kinds: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the layers of `network` that one of `kinds` takes, with those kinds, in the network's order."""
    ways = {kind: DECOMPOSITIONS.get(kind)() for kind in kinds}
    found = {
        name: tuple(kind for kind, way in ways.items() if takes(way, layer)) for name, layer in network.named_modules()
    }
    return {name: fitting for name, fitting in found.items() if name and fitting}


def input_shapes(network: nn.Module, shape: Sequence[int], names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return what the named layers see of one image, without the batch, when `network` sees `shape` (N, C, H, W).

    A layer that does not run is left out. Raises UnknownNameError for a name that is no layer.
    """
    layers, shapes = get_layers(network, names), dict[str, tuple[int, ...]]()

    def listen(name: str):
        return lambda _, inputs: shapes.setdefault(name, tuple(inputs[0].shape[1:])) and None

    hooks = [layer.register_forward_pre_hook(listen(name)) for name, layer in layers.items()]
    modes = {layer: layer.training for layer in network.modules()}
    parameter = next(network.parameters())
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *shape[1:], device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
        for layer, training in modes.items():
            layer.training = training
    return shapes


def get_layers(network: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """Return the modules called `names`; raises UnknownNameError for one that there is not."""
    modules = dict(network.named_modules())
    for name in names:
        if name not in modules:
            raise unknown_name("layer", name, [known for known in modules if known])
    return {name: modules[name] for name in names}


def complexity_of(kind: str, layer: Layer, ranks: Ranks, input_shape: Sequence[int]) -> Complexity:
    """Return parameters and multiply-adds of a decomposition that is not made; `input_shape` as `input_shapes` says."""
    with torch.device("meta"):
        return complexity(DECOMPOSITIONS.get(kind)().structure(layer, ranks), tuple(input_shape))


@torch.no_grad()
def effective_weight(small: nn.Module, layer: Layer) -> Tensor:
    """Return the weight (O, I, height, width) that `small` has as one layer in place of `layer`, in double precision.

    It is what the small layers answer to single pixels, so nothing is assumed about them but that they are linear.
    """
    probe = copy.deepcopy(small).to("cpu", torch.float64).eval()
    for conv in probe.modules():
        if isinstance(conv, nn.Conv2d):
            conv.padding, conv.stride, conv.dilation, conv.padding_mode = (0, 0), (1, 1), (1, 1), "zeros"
            conv.same_padding = False
    shape = (layer.weight.shape[1], *kernel_of(layer))
    count = layer.weight[0].numel()
    shape_in = shape[:1] if isinstance(layer, nn.Linear) else shape
    pixels = torch.eye(count, dtype=torch.float64).reshape(count, *shape_in)
    answers = torch.cat([probe(chunk) for chunk in pixels.split(512)]) - probe(torch.zeros_like(pixels[:1]))
    return answers.reshape(count, -1).T.reshape(-1, *shape)


def relative_error(small: nn.Module, layer: Layer, covariance: Tensor | None = None) -> float:
    """Return ||(W - W') C^(1/2)||^2 / ||W C^(1/2)||^2: the share of the outputs' energy that is lost.

    W' is what `small` computes in place of `layer`, C the `covariance` of its inputs, or 1: the weights' energy then.
    """
    weight = weight_of(layer).flatten(1)
    covariance = None if covariance is None else covariance.to("cpu", torch.float64)
    whole = squared_error(weight, covariance)
    return squared_error(weight - effective_weight(small, layer).flatten(1), covariance) / max(whole, 1e-300)
