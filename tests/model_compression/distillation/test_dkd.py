import pytest
import torch
import torch.nn.functional as F

from model_compression.distillation import LOSSES
from model_compression.distillation.dkd import decoupled_divergences, dkd_loss
from model_compression.distillation.response import kd_loss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(8, 5, generator=generator) * 3 for _ in range(2))
    return student, teacher, torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_parts_make_the_whole_divergence(batch, temperature):
    student, teacher, labels = batch
    target, others = decoupled_divergences(student, teacher, labels, temperature=temperature)
    p, q = (F.softmax(s / temperature, dim=1) for s in (teacher, student))
    whole = (p * (p / q).log()).sum(1)
    p_others = 1 - p[torch.arange(8), labels]
    torch.testing.assert_close(target + p_others * others, whole)


def test_alpha_1_and_beta_of_the_wrong_classes_is_kd(batch):
    student, teacher, labels = (t[:1] for t in batch)
    beta = 1 - F.softmax(teacher / 4, dim=1)[0, labels].item()
    expected = kd_loss(student, teacher, labels, temperature=4, alpha=1.0) + F.cross_entropy(student, labels)
    torch.testing.assert_close(dkd_loss(student, teacher, labels, temperature=4, alpha=1.0, beta=beta), expected)


@pytest.mark.parametrize("name", ["kd", "dkd", "kd+ls", "dkd+ls", "dist"])
def test_an_equal_teacher_leaves_the_gradient_of_the_cross_entropy(batch, name):
    student, _, labels = batch
    share = {"kd": 0.3, "kd+ls": 0.1}.get(name, 1.0)
    gradients = []
    for loss in (lambda s: LOSSES.get(name)(s, student, labels), lambda s: share * F.cross_entropy(s, labels)):
        scores = student.clone().requires_grad_()
        loss(scores).backward()
        gradients.append(scores.grad)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_a_sure_teacher_gives_finite_numbers():
    scores = torch.tensor([[1000.0, 0.0, -1000.0]], requires_grad=True)
    loss = dkd_loss(scores, -scores.detach(), torch.tensor([0]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(scores.grad).all()
