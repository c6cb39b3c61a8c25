import pytest
import torch

from model_compression.distillation import LOSSES
from model_compression.distillation.standardization import standardize


def test_rows_have_mean_0_and_deviation_1():
    scores = standardize(torch.randn(4, 10) * 5 + 3)
    torch.testing.assert_close(scores.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(scores.std(1), torch.ones(4))


@pytest.mark.parametrize("name", ["kd", "dkd"])
def test_only_the_standardized_loss_ignores_the_teachers_scale_and_shift(name):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, 5, generator=generator) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    plain, standardized = LOSSES.get(name), LOSSES.get(f"{name}+ls")
    other = teacher * 3 + 7
    torch.testing.assert_close(standardized(student, teacher, labels), standardized(student, other, labels))
    assert abs(plain(student, teacher, labels) - plain(student, other, labels)) > 0.1
