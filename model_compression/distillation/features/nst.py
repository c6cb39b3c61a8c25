"""Neuron selectivity transfer: the channels of a map as samples of one distribution."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss
from model_compression.methods import method


@method("nst", "distillation", paper="arXiv:1707.01219")
@FEATURE_LOSSES.register("nst")
class NeuronSelectivityLoss(MapLoss):
    """Squared maximum mean discrepancy of channels under the kernel (x.y)^2 (arXiv:1707.01219, equations 4 and 6)."""

    weight = 50.0

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        s, t = (F.normalize(maps.flatten(2), dim=2) for maps in (student, teacher))
        return _kernel(s, s) + _kernel(t, t) - 2 * _kernel(s, t)


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.transpose(1, 2)).pow(2).mean()
