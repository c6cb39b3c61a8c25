"""FitNets: the teacher's feature maps as hints."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss, Shapes, regressors
from model_compression.methods import method


@method("fitnet", "distillation", paper="arXiv:1412.6550")
@FEATURE_LOSSES.register("fitnet")
class HintLoss(MapLoss):
    """Mean squared error between the teacher's map and a 1x1 regressor of the student's (arXiv:1412.6550, equation 3).

    The paper trains up to one hint first and distils then; here all stages are learned beside the scores.
    """

    weight = 10.0

    def __init__(self, student: Shapes, teacher: Shapes) -> None:
        super().__init__(student, teacher)
        self.regressors = regressors(student, teacher)

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        return F.mse_loss(self.regressors[index](student), teacher)
