import copy

import pytest
import torch

from model_compression.distillation.recovery import recover
from model_compression.distillation.teacher import get_teacher
from model_compression.errors import DistillationError
from zoo import create_model
from zoo.errors import TrainingDivergedError
from zoo.training import TrainConfig, accuracy
from zoo.training.preprocessing import normalize


@pytest.fixture(scope="module")
def original(digits):
    return get_teacher("timm/resnet10t", digits, TrainConfig(epochs=4)).network


def test_most_of_the_lost_accuracy_comes_back_without_labels(original, digits):
    damaged = copy.deepcopy(original)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in (p for p in damaged.parameters() if p.ndim == 4):
            weight.add_(0.8 * weight.std() * torch.randn(weight.shape, generator=generator))
    before, broken = (accuracy(n, digits.val, digits, 16) for n in (original, damaged))
    assert broken < before - 0.2
    images = normalize(digits.train.images[:500], *digits.statistics())
    history = recover(damaged, original, images, epochs=4)
    assert history[-1] < history[0]
    assert accuracy(damaged, digits.val, digits, 16) > (before + broken) / 2
    assert not any(module._forward_hooks for module in (*damaged.modules(), *original.modules()))


def test_an_undamaged_network_has_little_to_learn(original, digits):
    images = normalize(digits.train.images[:128], *digits.statistics())
    same = copy.deepcopy(original)
    assert recover(same, original, images, epochs=1, lr=0.0)[0] < 0.5


def test_bad_input_is_met_in_one_line(original):
    images = torch.randn(8, 1, 16, 16)
    with pytest.raises(DistillationError, match="student has 7 classes and the teacher 10"):
        recover(create_model("timm/resnet10t", 7, 1), original, images)
    with pytest.raises((DistillationError, TrainingDivergedError), match=r"not finite|became nan"):
        recover(copy.deepcopy(original), original, images * float("nan"))
