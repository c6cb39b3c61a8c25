"""Response-based distillation: the student learns the teacher's softened scores."""

from functools import partial

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation import LOSSES
from model_compression.distillation.standardization import standardize
from model_compression.methods import method


@method("kd", "distillation", paper="arXiv:1503.02531")
@LOSSES.register("kd")
def kd_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float = 4.0,
    alpha: float = 0.7,
    standardized: bool = False,
) -> Tensor:
    """Return alpha T^2 KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) CE(student, labels).

    Scores are (N, classes). T^2 keeps the gradient's size when T changes (Hinton et al., arXiv:1503.02531, section 2;
    equation 6 of the survey). `standardized`: the divergence is that of z-scores.
    """
    soft = (standardize(student), standardize(teacher)) if standardized else (student, teacher)
    soft_student, soft_teacher = (F.log_softmax(scores / temperature, dim=1) for scores in soft)
    divergence = F.kl_div(soft_student, soft_teacher, reduction="batchmean", log_target=True)
    return alpha * temperature**2 * divergence + (1 - alpha) * F.cross_entropy(student, labels)


# temperature and the weights' ratio of 9 to 1 as in the paper's trainings on CIFAR-100
LOSSES.register("kd+ls")(partial(kd_loss, temperature=2.0, alpha=0.9, standardized=True))
