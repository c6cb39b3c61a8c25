import dataclasses

import numpy as np
import pytest
import torch

import zoo
from model_compression.distillation.cached import CachedScores
from model_compression.distillation.teacher import Teacher, distillation_loss
from zoo import create_model
from zoo.training import TrainConfig, train

_CONFIG = TrainConfig(epochs=2)


class _Counted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.network, self.calls = create_model("mobilenetv1_025", 10, 1, seed=0), 0

    def forward(self, x):
        self.calls += 1
        return self.network(x)


@pytest.fixture
def few(digits):
    return dataclasses.replace(digits, train=digits.train.subset(np.arange(150)))


def _weights(data, scores, chans=8, config=_CONFIG):
    spec = zoo.ArchSpec(resolution=16, blocks=(zoo.BlockSpec(kind="conv", out_chans=chans, stride=2),))
    network = spec.build(10, 1, seed=0)
    train(network, data, config, resolution=16, loss=distillation_loss(scores))
    return torch.cat([p.flatten() for p in network.parameters()])


def test_the_second_student_learns_the_same_without_the_teacher(few, tmp_path):
    teacher, path = Teacher("counted", _Counted().eval()), tmp_path / "scores.safetensors"
    expected = _weights(few, teacher)
    recorded = _weights(few, CachedScores(teacher, few, _CONFIG, path=path))
    asked = teacher.network.calls
    replayed = CachedScores(teacher, few, _CONFIG, path=path)
    assert torch.equal(_weights(few, replayed), expected) and torch.equal(recorded, expected)
    _weights(few, replayed, chans=12)  # another student, from the first image on
    assert teacher.network.calls == asked


def test_another_teacher_or_config_or_a_damaged_file_asks_again(few, tmp_path):
    path = tmp_path / "scores.safetensors"
    path.write_bytes(b"damaged")
    teacher = Teacher("counted", _Counted().eval())
    _weights(few, CachedScores(teacher, few, _CONFIG, path=path))
    asked = teacher.network.calls
    assert asked > 0
    config = dataclasses.replace(_CONFIG, seed=1)
    _weights(few, CachedScores(teacher, few, config, path=path), config=config)
    assert teacher.network.calls == 2 * asked
    with torch.no_grad():
        next(teacher.network.parameters()).add_(1)
    _weights(few, CachedScores(teacher, few, config, path=path), config=config)
    assert teacher.network.calls == 3 * asked


def test_images_that_are_not_those_of_the_file_are_shown_to_the_teacher(few, tmp_path):
    teacher, path = Teacher("counted", _Counted().eval()), tmp_path / "scores.safetensors"
    _weights(few, CachedScores(teacher, few, _CONFIG, path=path))
    images = torch.randn(64, 1, 16, 16)
    scores = CachedScores(teacher, few, _CONFIG, path=path).scores(images, torch.zeros(64))
    torch.testing.assert_close(scores, teacher.scores(images, torch.zeros(64)))
