import pytest
import torch
import torch.nn.functional as F

from model_compression.distillation import LOSSES
from model_compression.distillation.several import WEIGHTINGS, SeveralTeachers, confidence, mix
from model_compression.distillation.teacher import Teacher
from model_compression.errors import DistillationError
from zoo import UnknownNameError, create_model


@pytest.fixture(scope="module")
def teachers():
    return [Teacher(name, create_model(name, 10, 3, seed=i).eval()) for i, name in
            enumerate(("timm/resnet10t", "mobilenetv1_025", "timm/mobilenetv3_small_050"))]  # fmt: skip


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 3, 32, 32, generator=generator), torch.tensor([0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_weights_sum_to_one(weighting):
    scores, labels = torch.randn(3, 6, 10), torch.arange(6)
    weights = WEIGHTINGS[weighting](scores, labels, [torch.randn(6, d) for d in (4, 5, 6)])
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(0), torch.ones(6))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("loss", ["kd", "kd+ls", "dkd", "dkd+ls"])
def test_one_teacher_is_distillation_from_it(weighting, loss, teachers, batch):
    images, labels = batch
    scores = torch.randn(6, 10)
    mixed = SeveralTeachers(teachers[:1], weighting).scores(images, labels)
    expected = LOSSES.get(loss)(scores, teachers[0].scores(images, labels), labels)
    torch.testing.assert_close(LOSSES.get(loss)(scores, mixed, labels), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_any_teachers_work_together(weighting, teachers, batch):
    scores = SeveralTeachers(teachers, weighting).scores(*batch)
    assert scores.shape == (6, 10) and torch.isfinite(scores).all()


def test_the_mix_pulls_as_the_weighted_sum_of_divergences():
    generator = torch.Generator().manual_seed(0)
    scores, student = torch.randn(3, 6, 5, generator=generator), torch.randn(6, 5, generator=generator)
    weights = torch.rand(3, 6, generator=generator).softmax(0)
    a, b = student.clone().requires_grad_(), student.clone().requires_grad_()
    LOSSES.get("kd")(a, mix(scores, weights, temperature=4.0), torch.zeros(6, dtype=torch.long), alpha=1.0).backward()
    log_q = F.log_softmax(b / 4, dim=1)
    p = F.softmax(scores / 4, dim=2)
    (16 * (weights * (p * (p.log() - log_q)).sum(2)).sum(0).mean()).backward()
    torch.testing.assert_close(a.grad, b.grad)


def test_a_teacher_that_is_right_counts_more():
    right, wrong = F.one_hot(torch.arange(3), 3) * 5.0, torch.ones(3, 3)
    weights = confidence(torch.stack((right, wrong)), torch.arange(3), [])
    assert (weights[0] > weights[1]).all()


def test_bad_input(teachers, batch):
    with pytest.raises(UnknownNameError, match="unknown weighting 'confident'; did you mean 'confidence'"):
        SeveralTeachers(teachers, "confident")
    with pytest.raises(DistillationError, match="no teacher given"):
        SeveralTeachers([])
    other = Teacher("other", create_model("mobilenetv1_025", 7, 3).eval())
    with pytest.raises(DistillationError, match="teacher other has 7 classes, timm/resnet10t 10"):
        SeveralTeachers([teachers[0], other]).scores(*batch)
