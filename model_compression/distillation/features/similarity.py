"""Similarity-preserving distillation: which images of a batch look alike."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss
from model_compression.methods import method


@method("sp", "distillation", paper="arXiv:1907.09682")
@FEATURE_LOSSES.register("sp")
class SimilarityLoss(MapLoss):
    """Mean squared difference of the batch's Gram matrices, rows of length 1 (arXiv:1907.09682, equations 2 to 4)."""

    weight = 3000.0

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        return F.mse_loss(similarity(student), similarity(teacher))


def similarity(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, N)."""
    flat = maps.flatten(1)
    return F.normalize(flat @ flat.T)
