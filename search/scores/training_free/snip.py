"""SNIP: how much the loss hangs on the weights (Lee et al., arXiv:1810.02340)."""

from torch import Tensor, nn

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import weights_and_gradients


@PROXIES.register("snip")
def snip(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the sum over all weights of |w dL/dw| (as a score of networks: arXiv:2101.08134, section 3.2)."""
    return sum(float((w * g).abs().sum()) for w, g in weights_and_gradients(network, images, labels))
