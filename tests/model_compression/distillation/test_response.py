import math

import pytest
import torch
import torch.nn.functional as F

from model_compression.distillation import LOSSES
from model_compression.distillation.response import kd_loss


def _by_hand(student, teacher, labels, temperature, alpha):
    """The definition, number by number."""
    total = 0.0
    for s, t, label in zip(student.tolist(), teacher.tolist(), labels.tolist(), strict=True):
        p = [math.exp(v / temperature) for v in t]
        q = [math.exp(v / temperature) for v in s]
        p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
        divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        cross_entropy = -math.log(math.exp(s[label]) / sum(math.exp(v) for v in s))
        total += alpha * temperature**2 * divergence + (1 - alpha) * cross_entropy
    return total / len(labels)


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.5), (4.0, 0.7), (8.0, 0.9)])
def test_the_loss_is_its_definition(temperature, alpha):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, 5, generator=generator) * 3 for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    value = kd_loss(student, teacher, labels, temperature=temperature, alpha=alpha)
    assert value.item() == pytest.approx(_by_hand(student, teacher, labels, temperature, alpha), rel=1e-5)


def test_an_equal_teacher_leaves_the_cross_entropy():
    scores, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    value = kd_loss(scores, scores, labels, alpha=0.7)
    assert value.item() == pytest.approx(0.3 * F.cross_entropy(scores, labels).item(), rel=1e-5)


def test_the_gradient_pulls_towards_the_teacher():
    student = torch.zeros(1, 3, requires_grad=True)
    kd_loss(student, torch.tensor([[5.0, 0.0, 0.0]]), torch.tensor([0]), alpha=1.0).backward()
    assert student.grad[0, 0] < 0 < student.grad[0, 1]


def test_the_loss_is_found_by_name():
    assert LOSSES.get("kd") is kd_loss
