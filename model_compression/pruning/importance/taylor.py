"""First-order change of the loss when a channel is zero."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from model_compression.methods import method
from model_compression.pruning.channels import ChannelGroup
from model_compression.pruning.importance import IMPORTANCES, Batches, gathered, need


@IMPORTANCES.register("taylor")
@method("task-loss-channel-importance", "pruning", paper="Kuang et al., 2019; arXiv:1611.06440")
def taylor(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """|sum of a dL/da| over what the readers of a channel see, the mean over images (arXiv:1611.06440, equation 7)."""
    batches = need(batches, "taylor")
    scores = {group.name: torch.zeros(group.size) for group in groups}
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            # a tensor of its own: others may read the same map, and each is asked for its share
            own = inputs[0] * 1
            if own.requires_grad:
                own.retain_grad()
                seen[name] = own
            return (own, *inputs[1:])

        return network.get_submodule(name).register_forward_pre_hook(keep)

    training = network.training
    network.eval()
    handles = [watch(name) for name in dict.fromkeys(name for g in groups for name in g.readers)]
    try:
        for images, labels in batches:
            seen.clear()
            with torch.enable_grad():
                loss = F.cross_entropy(network(images), labels, reduction="sum")
            loss.backward(inputs=list(seen.values()))
            for group in groups:
                parts = [part for part in group.slices if part.side == "in" and part.layer in seen]
                changes = [gathered(_by_channel(network.get_submodule(p.layer), seen[p.layer]), p) for p in parts]
                scores[group.name] += sum(changes, torch.zeros(())).abs().sum(1).cpu()
    finally:
        for handle in handles:
            handle.remove()
        network.train(training)
    images = sum(len(labels) for _, labels in batches)
    return {name: score / images for name, score in scores.items()}


@IMPORTANCES.register("taylor-weights")
def taylor_weights(
    network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None
) -> dict[str, Tensor]:
    """|sum of w dL/dw| over a filter, added over the layers of the group (arXiv:1906.10771, equation 8, no square).

    The gradients are of the mean loss in evaluation mode; those of `network` are left as they are.
    """
    batches = need(batches, "taylor-weights")
    training = network.training
    network.eval()
    weights = {
        part.layer: layer.weight
        for group in groups
        for part in group.slices
        if part.side != "in" and isinstance(layer := network.get_submodule(part.layer), (_ConvNd, nn.Linear))
    }
    total = [torch.zeros_like(w) for w in weights.values()]
    images = sum(len(labels) for _, labels in batches)
    with torch.enable_grad():
        for inputs, labels in batches:
            loss = F.cross_entropy(network(inputs), labels, reduction="sum") / images
            gradients = torch.autograd.grad(loss, list(weights.values()))
            total = [t + g for t, g in zip(total, gradients, strict=True)]
    network.train(training)
    return saliency(groups, {name: w.detach() * g for (name, w), g in zip(weights.items(), total, strict=True)})


def saliency(groups: Sequence[ChannelGroup], products: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return |sum over a filter|, added over the layers of each group, of `products` w dL/dw by layer."""
    scores = {}
    for group in groups:
        parts = [part for part in group.slices if part.side != "in" and part.layer in products]
        scores[group.name] = sum(gathered(products[p.layer].flatten(1).sum(1), p).abs() for p in parts)
    return scores


def _by_channel(layer: nn.Module, values: Tensor) -> Tensor:
    """Return the sum of values times gradients of each channel that `layer` reads, for each image: (channels, N)."""
    assert values.grad is not None  # the loss depends on what a layer reads
    change = (values * values.grad).detach()
    channel = change.ndim - 1 if isinstance(layer, nn.Linear) else 1
    return change.transpose(1, channel).flatten(2).sum(2).T if change.ndim > 2 else change.T
