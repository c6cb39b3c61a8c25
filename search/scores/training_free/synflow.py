"""SynFlow: how much of a network takes part in what it passes on (Tanaka et al., arXiv:2006.05467)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import weights, working_copy

_PASSED_BY = {
    F.batch_norm,
    F.relu,
    F.relu6,
    F.hardtanh,
    F.hardswish,
    F.silu,
    F.gelu,
    F.prelu,
    F.leaky_relu,
    F.elu,
    F.mish,
    torch.relu,
    torch.relu_,
    Tensor.relu,
    Tensor.relu_,
}


@PROXIES.register("synflow")
def synflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return log of the sum over all weights of |w dR/dw|, with R the sum of the outputs for an image of ones.

    As a score of networks (arXiv:2101.08134, section 3.2): weights by their magnitudes, normalisations and activations
    passed by, so that nothing is lost or bounded on the way. In double precision, which deep networks need.
    """
    twin = working_copy(network).eval().double()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.abs_()
    with _Linear():
        total = twin(torch.ones_like(images[:1], dtype=torch.float64)).sum()
    parameters = weights(twin)
    gradients = torch.autograd.grad(total, parameters, materialize_grads=True)
    flow = sum(float((w.detach() * g).abs().sum()) for w, g in zip(parameters, gradients, strict=True))
    return math.log(flow) if flow > 0 else float("-inf")


class _Linear(TorchFunctionMode):
    """Lets normalisations and activations hand on their input, wherever they are called."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in _PASSED_BY:
            return args[0]
        return func(*args, **(kwargs or {}))
