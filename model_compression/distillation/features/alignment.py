"""Alignment: features that point the same way, however long they are."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss, Shapes, regressors
from model_compression.methods import method


@method("alignment-regularizer", "pruning", paper="arXiv:2109.15014")
@FEATURE_LOSSES.register("alignment")
class AlignmentLoss(MapLoss):
    """1 - cosine of the channels at each pixel, averaged (after Neill, arXiv:2109.15014, section 3).

    A regulariser of compressed networks: with equal channels nothing is learned besides.
    """

    def __init__(self, student: Shapes, teacher: Shapes) -> None:
        super().__init__(student, teacher)
        self.regressors = regressors(student, teacher, where_equal=False)

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        return (1 - F.cosine_similarity(self.regressors[index](student), teacher)).mean()
