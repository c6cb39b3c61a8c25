"""Self-supervised distillation using singular value decomposition."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model_compression.distillation.features.base import FEATURE_LOSSES, FeatureLoss, Features, Shapes, regressors
from model_compression.methods import method

_SPARE = 3  # singular vectors of the student among which the teacher's are looked for
_WIDTH = 8.0  # of the radial basis function


@method("kdsvd", "distillation", paper="arXiv:1807.06819")
@FEATURE_LOSSES.register("kdsvd")
class SingularVectorLoss(FeatureLoss):
    """Squared difference of radial basis functions between singular vectors of adjacent stages (arXiv:1807.06819).

    Each map (pixels x channels) is replaced by its `rank` leading right singular vectors, the student's chosen and
    turned to those of the teacher (equations 2 to 7). Where channels differ the student's maps pass a 1x1 convolution.
    """

    min_maps = 2

    def __init__(self, student: Shapes, teacher: Shapes, *, rank: int = 1) -> None:
        super().__init__(student, teacher)
        self.rank = rank
        self.regressors = regressors(student, teacher, where_equal=False)

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        own, theirs = [], []
        for regressor, s, t in zip(self.regressors, student.maps, teacher.maps, strict=True):
            target, values = singular_vectors(t, self.rank)
            vectors = align(singular_vectors(regressor(s), self.rank + _SPARE)[0], target)
            own.append(vectors * values)
            theirs.append(target * values)
        losses = [
            (_radial(own[i], own[i - 1]) - _radial(theirs[i], theirs[i - 1])).pow(2).mean() for i in range(1, len(own))
        ]
        return torch.stack(losses).mean()


def singular_vectors(maps: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) -> right singular vectors (N, C, rank) and their values (N, 1, rank), scaled to length 1.

    The gradient takes the left vectors as given: that of the whole decomposition is infinite at equal values.
    """
    pixels = maps.flatten(2).transpose(1, 2)
    with torch.no_grad():
        left, values, _ = torch.linalg.svd(pixels, full_matrices=False)
    vectors = F.normalize(pixels.transpose(1, 2) @ left[..., :rank], dim=1)
    return vectors, F.normalize(values[:, None, :rank], dim=2)


def align(vectors: Tensor, target: Tensor) -> Tensor:
    """Return for each of `target` (N, C, k) the one of `vectors` (N, C, n) most parallel to it, turned to its side."""
    cosine = vectors.transpose(1, 2) @ target
    best = cosine.abs().argmax(1, keepdim=True)
    chosen = torch.zeros_like(cosine).scatter(1, best, cosine.gather(1, best).sign())
    return vectors @ chosen.detach()


def _radial(a: Tensor, b: Tensor) -> Tensor:
    return (-(a[:, :, None] - b[:, None]).pow(2) / _WIDTH).exp()
