import dataclasses

import numpy as np
import pytest
import torch

import zoo
from model_compression.distillation.feature_distillation import FeatureDistillation
from model_compression.distillation.features import FEATURE_LOSSES
from model_compression.distillation.teacher import Teacher, distillation_loss, get_teacher
from model_compression.errors import DistillationError
from zoo import UnknownNameError, create_model
from zoo.training import TrainConfig, accuracy, train

_SPEC = zoo.ArchSpec(
    resolution=16,
    blocks=tuple(zoo.BlockSpec(kind="conv", out_chans=c, stride=s) for c, s in ((8, 1), (16, 2), (24, 2))),
)


@pytest.fixture(scope="module")
def teacher(digits):
    return get_teacher("timm/resnet10t", digits, TrainConfig(epochs=3))


def _student(seed=0):
    return _SPEC.build(10, 1, seed=seed)


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_a_student_learns_the_digits_with_every_loss(name, digits, teacher):
    student = _student()
    with FeatureDistillation(student, teacher, name, data=digits, resolution=16, response="dist") as loss:
        before = [p.clone() for p in loss.parameters()]
        train(student, digits, TrainConfig(epochs=2), resolution=16, loss=loss)
        assert all(not torch.equal(a, b) for a, b in zip(before, loss.parameters(), strict=True) if b.ndim > 1)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in student.modules())
    assert accuracy(student, digits.val, digits, 16) > 0.2  # chance is 0.1


def test_the_teacher_is_left_as_it_was(digits, teacher):
    before = {name: t.clone() for name, t in teacher.network.state_dict().items()}
    student = _student()
    few = dataclasses.replace(digits, train=digits.train.subset(np.arange(128)))
    with FeatureDistillation(student, teacher, "fitnet", data=few, resolution=16) as loss:
        train(student, few, TrainConfig(epochs=1), resolution=16, loss=loss)
    assert all(torch.equal(before[name], t) for name, t in teacher.network.state_dict().items())
    assert not teacher.network.training


def test_unknown_names_are_met_in_one_line(digits, teacher):
    make = {"data": digits, "resolution": 16}
    with pytest.raises(UnknownNameError, match="unknown feature loss 'xyz'"):
        FeatureDistillation(_student(), teacher, "xyz", **make)
    with pytest.raises(UnknownNameError, match="unknown distillation loss 'kdd'"):
        FeatureDistillation(_student(), teacher, "at", response="kdd", **make)
    with pytest.raises(UnknownNameError, match=r"unknown layer 'blocks\.9'.* in the student"):
        FeatureDistillation(_student(), teacher, "at", student_layers=["blocks.9"], **make)
    with pytest.raises(DistillationError, match="2 layers of the student and 1 of the teacher"):
        FeatureDistillation(
            _student(), teacher, "at", student_layers=["blocks.0", "blocks.1"], teacher_layers=["layer1"], **make
        )


def test_a_teacher_of_other_classes_is_refused(digits):
    other = Teacher("other", create_model("timm/resnet10t", 7, 1).eval())
    for loss in (distillation_loss(other), FeatureDistillation(_student(), other, "at", data=digits, resolution=16)):
        with pytest.raises(DistillationError, match="student has 10 classes and the teacher 7"):
            train(_student(), digits, TrainConfig(epochs=1), resolution=16, loss=loss)
