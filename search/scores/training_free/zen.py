"""Zen: how much a network with Gaussian weights tells near images apart (Lin et al., arXiv:2102.01063)."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import weights, working_copy

_STEP = 0.01


@PROXIES.register("zen")
def zen(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return log E|f(x) - f(x + 0.01 e)| + sum over norms of log sigma (algorithm 1), f the last feature map.

    Weights, x and e are normal; sigma is the deviation that a batch normalisation takes away. Images give only the
    shape. Shortcuts stay, which the authors cut. A norm that sees nothing (all zero) is left out.
    """
    twin = working_copy(network)
    generator = torch.Generator(images.device).manual_seed(0)
    deviations: list[Tensor] = []
    with torch.no_grad():
        for weight in weights(twin):
            weight.normal_(generator=generator)
        x, e = (torch.empty_like(images).normal_(generator=generator) for _ in range(2))
        hooks = [
            layer.register_forward_pre_hook(lambda _, given: deviations.append(_deviation(*given)))
            for layer in twin.modules()
            if isinstance(layer, _BatchNorm)
        ]
        features = twin.forward_features(x)
        for hook in hooks:
            hook.remove()
        difference = (features - twin.forward_features(x + _STEP * e)).abs().flatten(1).sum(1).mean()
    taken = torch.stack([difference, *(d for d in deviations if d > 0)])
    return float(taken.double().log().sum())


def _deviation(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1).var(1, correction=0).mean().sqrt()
