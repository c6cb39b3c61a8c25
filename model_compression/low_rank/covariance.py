"""How the inputs of layers vary together, from images: the norm of data-aware fits."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.errors import FactorizationError
from model_compression.low_rank.layers import get_layers
from model_compression.methods import method
from zoo.blocks.layers import pad_same

_BATCH = 16


@method("data-aware-norm", "low-rank", paper="arXiv:1505.06798, section 2.1")
@torch.no_grad()
def input_covariances(
    network: nn.Module, images: Tensor, names: Sequence[str], *, positions: int = 64, seed: int = 0
) -> dict[str, Tensor]:
    """Return E[x x^T] of what each weight of the named layers is multiplied with, (I k k, I k k) float32 each.

    With it, ||(W - W') C^(1/2)||^2 is the mean squared error of the layer's outputs, so a fit in that norm spends its
    rank on what images have. It is the moment about 0, not about the mean.

    Args:
        images: (N, C, H, W) as the network sees them: normalised and resized; no labels are needed.
        positions: pixels of a convolution's output that count in each image, drawn at random.

    Raises FactorizationError for a layer that is no convolution or linear one, or does not run, and for inputs that are
    not finite; UnknownNameError for a name that is none.
    """
    generator = torch.Generator().manual_seed(seed)
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys(names, 0)

    def listen(name: str) -> Callable[[nn.Module, Any], None]:
        def hook(layer: nn.Module, inputs: Any) -> None:
            rows = _rows(layer, inputs[0], positions, generator).to(torch.float32)
            sums[name] = sums.get(name, 0) + rows.T @ rows
            counts[name] += len(rows)

        return hook

    layers = get_layers(network, names)
    for name, layer in layers.items():
        if not isinstance(layer, nn.Conv2d | nn.Linear) or getattr(layer, "groups", 1) > 1:
            raise FactorizationError(f"layer {name!r} is neither a linear layer nor a convolution without groups")
    hooks = [layer.register_forward_pre_hook(listen(name)) for name, layer in layers.items()]
    modes = {layer: layer.training for layer in network.modules()}
    try:
        network.eval()
        for chunk in images.split(_BATCH):
            network(chunk)
    finally:
        for hook in hooks:
            hook.remove()
        for layer, training in modes.items():
            layer.training = training
    for name in names:
        if not counts[name]:
            raise FactorizationError(f"layer {name!r} saw nothing: give images, and layers that run")
        if not torch.isfinite(sums[name]).all():
            raise FactorizationError(f"layer {name!r} sees values that are not finite")
    return {name: sums[name].cpu() / counts[name] for name in names}


def _rows(layer: nn.Module, x: Tensor, positions: int, generator: torch.Generator) -> Tensor:
    """Return what the weights of one output are multiplied with, a row for each position that counts."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, layer.in_features)
    if getattr(layer, "same_padding", False):
        x = pad_same(x, layer.kernel_size, layer.stride, layer.dilation)
    elif layer.padding != "valid":
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode)
    patches = F.unfold(x, layer.kernel_size, layer.dilation, 0, layer.stride)
    drawn = torch.randperm(patches.shape[2], generator=generator)[:positions].to(patches.device)
    return patches[:, :, drawn].transpose(1, 2).flatten(0, 1)
