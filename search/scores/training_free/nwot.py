"""NWOT: how differently a network without training treats different images (Mellor et al., arXiv:2006.04647)."""

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from search.scores.training_free import PROXIES
from search.scores.training_free.working_copy import working_copy
from zoo import EdgezooError

_aten = torch.ops.aten
# Gates (sigmoid, hard_sigmoid) choose no region: they are left out.
_ACTIVATIONS = {
    _aten.relu,
    _aten.relu_,
    _aten.hardtanh,  # ReLU6
    _aten.hardtanh_,
    _aten.hardswish,
    _aten.hardswish_,
    _aten.silu,
    _aten.silu_,
    _aten.gelu,
    _aten._prelu_kernel,
    _aten.leaky_relu,
    _aten.leaky_relu_,
    _aten.elu,
    _aten.elu_,
    _aten.mish,
    _aten.mish_,
}


@PROXIES.register("nwot")
def nwot(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return log |det K| (equation 2), where K_ij counts the units that images i and j both switch on or both off.

    The code of an image holds the sign of what goes into each activation, of whatever kind.
    Raises EdgezooError where the network has no activation.
    """
    with torch.no_grad(), _Agreement(len(images)) as agreement:
        working_copy(network)(images)
    if not agreement.units:
        raise EdgezooError("the network has no activation")
    return float(torch.linalg.slogdet(agreement.kernel).logabsdet)


class _Agreement(TorchDispatchMode):
    """Sums over all activations in how many units each pair of images agrees; sees them wherever they are called."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self.kernel, self.units = torch.zeros(images, images, dtype=torch.float64), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in _ACTIVATIONS:
            signs = torch.where(args[0] > 0, 1.0, -1.0).flatten(1)
            units = signs.shape[1]
            # equal signs less unequal ones, which are all others
            self.kernel += ((signs @ signs.T).double().cpu() + units) / 2
            self.units += units
        return func(*args, **(kwargs or {}))
