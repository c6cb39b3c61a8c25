"""Response-based distillation: the student learns the teacher's softened scores."""

import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation import LOSSES


@LOSSES.register("kd")
def kd_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float = 4.0, alpha: float = 0.7
) -> Tensor:
    """Return alpha T^2 KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) CE(student, labels).

    Scores are (N, classes). T^2 keeps the gradient's size when T changes (Hinton et al., arXiv:1503.02531, section 2;
    equation 6 of the survey).
    """
    soft_student = F.log_softmax(student / temperature, dim=1)
    soft_teacher = F.log_softmax(teacher / temperature, dim=1)
    divergence = F.kl_div(soft_student, soft_teacher, reduction="batchmean", log_target=True)
    return alpha * temperature**2 * divergence + (1 - alpha) * F.cross_entropy(student, labels)
