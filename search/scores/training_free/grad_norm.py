"""Gradient norm: how strongly the first step of training would move the weights (arXiv:2101.08134)."""

from torch import Tensor, nn

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import weights_and_gradients


@PROXIES.register("grad_norm")
def grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the sum over layers of the Euclidean norm of dL/dw (arXiv:2101.08134, section 3.2)."""
    return sum(float(g.norm()) for _, g in weights_and_gradients(network, images, labels))
