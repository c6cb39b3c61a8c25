"""What the scores share: a copy of the network that may be spoilt, its weights and the slopes of its loss."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def working_copy(network: nn.Module) -> nn.Module:
    """Return a copy as all papers score it: normalised by the batch, without dropout, every weight with a gradient."""
    twin = copy.deepcopy(network).eval().requires_grad_()
    for layer in twin.modules():
        if isinstance(layer, _BatchNorm):
            layer.train()
    return twin


def weights(network: nn.Module) -> list[nn.Parameter]:
    """Return what convolutions and linear layers multiply with: no biases, no scales of normalisations."""
    return [parameter for parameter in network.parameters() if parameter.ndim > 1]


def weights_and_gradients(network: nn.Module, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return each weight of `network` and the gradient of the cross entropy of one batch with respect to it."""
    twin = working_copy(network)
    parameters = weights(twin)
    loss = F.cross_entropy(twin(images), labels)
    gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
    return list(zip((parameter.detach() for parameter in parameters), gradients, strict=True))
