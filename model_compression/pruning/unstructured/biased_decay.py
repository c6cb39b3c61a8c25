"""Biased weight decay: small weights fall to zero, large ones are left alone, and idle units go."""

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.unstructured.masks import prunable_weights, remove_masks
from model_compression.pruning.unstructured.penalties import PenalizedLoss
from zoo.training.loop import LossFunction


@method("biased-weight-decay", "pruning", paper="Hanson and Pratt, NIPS 1988")
def biased_decay(network: nn.Module, strength: float, *, loss: LossFunction | None = None) -> PenalizedLoss:
    """Return `loss` with `strength` times the sum of w^2 / (1 + w^2), to `train` with and no other weight decay.

    The price of a weight is bounded, so that one worth having is not made small. `drop_units` then takes away what has
    come to nothing. `loss` is cross entropy by default.
    """
    return PenalizedLoss(network, bounded_square, strength, loss=loss)


def bounded_square(weight: Tensor) -> Tensor:
    """Return w^2 / (1 + w^2) of each weight."""
    square = weight.pow(2)
    return square / (1 + square)


def idle_units(network: nn.Module, *, limit: float = 1e-3) -> dict[str, list[int]]:
    """Return by layer the outputs whose incoming weights are all smaller than `limit`; layers without are left out."""
    weights = prunable_weights(network)
    idle = {name: (w.abs().flatten(1).amax(1) < limit).nonzero().flatten().tolist() for name, w in weights.items()}
    return {name: units for name, units in idle.items() if units}


@torch.no_grad()
def drop_units(network: nn.Sequential, *, limit: float = 1e-3) -> nn.Sequential:
    """Return a smaller multilayer perceptron without its hidden units that are idle or that nobody heeds.

    All weights into such a unit, or all out of it, are smaller than `limit`. What it gives is then the same for all
    inputs, and is added to the biases of the next layer. Between two linear layers there are activations alone, which
    see each unit for itself. Of each hidden layer at least one unit stays. For other networks hand `idle_units` to the
    pruning of channels.

    Raises PruningError for any other network.
    """
    prunable_weights(network)
    training, network = network.training, copy.deepcopy(network)
    remove_masks(network)
    modules: list[Any] = list(network.eval())
    places = [i for i, module in enumerate(modules) if isinstance(module, nn.Linear)]
    others = [module for module in modules if not isinstance(module, nn.Linear)]
    if len(places) < 2 or any(list(module.state_dict()) for module in others):
        raise PruningError("units are dropped from a plain nn.Sequential of two or more linear layers and activations")
    for place, following in pairwise(places):
        before, after = modules[place], modules[following]
        idle = (before.weight.abs().amax(1) < limit) | (after.weight.abs().amax(0) < limit)
        if idle.all():
            idle[after.weight.abs().amax(0).argmax()] = False
        constant = torch.zeros(before.out_features) if before.bias is None else before.bias
        for activation in modules[place + 1 : following]:
            constant = activation(constant)
        bias = torch.zeros(after.out_features) if after.bias is None else after.bias
        modules[place] = _linear(before.weight[~idle], None if before.bias is None else before.bias[~idle])
        modules[following] = _linear(after.weight[:, ~idle], bias + after.weight[:, idle] @ constant[idle])
    return nn.Sequential(*modules).train(training)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.copy_(weight)
    if bias is not None:
        layer.bias.copy_(bias)
    return layer
