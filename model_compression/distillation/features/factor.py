"""Factor transfer: both networks' maps are translated into a short language first."""

import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, MapLoss, Shapes
from model_compression.methods import method


@method("factor-transfer", "distillation", paper="arXiv:1802.04977")
@FEATURE_LOSSES.register("ft")
class FactorLoss(MapLoss):
    """L1 distance of normalised factors: the teacher's by a paraphraser, the student's by a translator.

    The paraphraser is an autoencoder of the teacher's maps, learned beside the student from its reconstruction error
    alone; the paper learns it before (arXiv:1802.04977, equations 1 to 3).

    Args:
        rate: channels of the factors, as a share of the teacher's.
    """

    weight = 10.0

    def __init__(self, student: Shapes, teacher: Shapes, *, rate: float = 0.5) -> None:
        super().__init__(student, teacher)
        self.paraphrasers, self.decoders, self.translators = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for (own, _, _), (chans, _, _) in zip(student.maps, teacher.maps, strict=True):
            factors = max(1, round(chans * rate))
            self.paraphrasers.append(_translation(chans, factors))
            self.decoders.append(_translation(factors, chans))
            self.translators.append(_translation(own, factors))

    def compare(self, index: int, student: Tensor, teacher: Tensor) -> Tensor:
        factors = self.paraphrasers[index](teacher)
        reconstruction = F.mse_loss(self.decoders[index](factors), teacher)
        return factor_distance(self.translators[index](student), factors.detach()) + reconstruction


def factor_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean absolute difference of maps, each flattened and of length 1."""
    return F.l1_loss(F.normalize(student.flatten(1)), F.normalize(teacher.flatten(1)))


def _translation(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(in_chans, out_chans, 3, padding=1), nn.LeakyReLU(0.1))
