"""Attention transfer: where in the image the activations are large."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss
from model_compression.methods import method


@method("attention-transfer", "distillation", paper="arXiv:1612.03928")
@FEATURE_LOSSES.register("at")
class AttentionLoss(MapLoss):
    """Mean squared difference of normalised attention maps, the mean over channels of F^2 (arXiv:1612.03928, eq. 2)."""

    weight = 1000.0

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        return F.mse_loss(attention(student), attention(teacher))


def attention(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H W) of length 1."""
    return F.normalize(maps.pow(2).mean(1).flatten(1))
