"""Parameters and multiply-adds: what every other score has to beat (arXiv:2301.11300, section 4)."""

from torch import Tensor, nn

from search.scores.training_free import PROXIES
from zoo import complexity


@PROXIES.register("params")
def params(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the number of parameters."""
    return float(complexity(network, images.shape[1:]).params)


@PROXIES.register("macs")
def macs(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the multiply-adds of one image."""
    return float(complexity(network, images.shape[1:]).macs)
