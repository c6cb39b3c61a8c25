import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model_compression.distillation.dist import dist_loss


def test_the_loss_is_one_minus_pearsons_coefficients():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, 5, generator=generator) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    p, q = (F.softmax(s, dim=1).numpy() for s in (student, teacher))
    within = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)])
    across = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)])
    expected = F.cross_entropy(student, labels).item() + (1 - within) + (1 - across)
    assert dist_loss(student, teacher, labels).item() == pytest.approx(expected, rel=1e-5)
