"""Graph-based distillation by multi-head attention."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.features.base import FEATURE_LOSSES, FeatureLoss, Features, Shapes, projection
from model_compression.methods import method

_KEY = 16


@method("mhgd", "distillation", paper="arXiv:1907.02226")
@FEATURE_LOSSES.register("mhgd")
class AttentionGraphLoss(FeatureLoss):
    """Divergence of graphs whose edges are attention from each sample's stage to all samples' next stage.

    The simple form of Lee and Song (arXiv:1907.02226, equations 3 and 7): maps are averaged over pixels, where the
    paper takes singular vectors, and the projections of queries and keys are fixed ones, where it trains them on the
    teacher first; learned beside the student they would agree on graphs that say nothing.
    """

    min_maps = 2

    def __init__(self, student: Shapes, teacher: Shapes, *, heads: int = 4) -> None:
        super().__init__(student, teacher)
        self.heads = heads
        chans = [t[0] for t in teacher.maps]
        self.adapters = nn.ModuleList(projection(s[0], c) for s, c in zip(student.maps, chans, strict=True))
        generator = torch.Generator().manual_seed(0)
        for index, width in enumerate(chans):
            for role in ("query", "key"):
                matrix = torch.randn(heads, width, _KEY, generator=generator) / width**0.5
                self.register_buffer(f"{role}{index}", matrix, persistent=False)

    def graphs(self, vectors: list[Tensor]) -> list[Tensor]:
        """Vectors (N, C) of each stage -> logarithms of attention (heads, N, N) between adjacent stages."""
        unit = [F.normalize(v - v.mean(0)) * v.shape[1] ** 0.5 for v in vectors]
        found = []
        for index in range(len(unit) - 1):
            queries = unit[index] @ self.get_buffer(f"query{index}")
            keys = unit[index + 1] @ self.get_buffer(f"key{index + 1}")
            found.append(F.log_softmax(queries @ keys.transpose(1, 2) / _KEY**0.5, dim=2))
        return found

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        own = [adapt(m.mean((2, 3))) for adapt, m in zip(self.adapters, student.maps, strict=True)]
        pairs = zip(self.graphs(own), self.graphs([m.mean((2, 3)) for m in teacher.maps]), strict=True)
        losses = [F.kl_div(s, t, reduction="sum", log_target=True) / s[..., 0].numel() for s, t in pairs]
        return torch.stack(losses).mean()
