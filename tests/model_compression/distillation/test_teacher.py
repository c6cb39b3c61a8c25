import torch

from model_compression.distillation import teacher as module
from model_compression.distillation.teacher import distillation_loss, get_teacher
from zoo.training import TrainConfig


def test_a_teacher_is_trained_once_and_read_again(digits, tmp_path, monkeypatch):
    path, config = tmp_path / "teacher.safetensors", TrainConfig(epochs=1)
    first = get_teacher("mobilenetv1_025", digits, config, path=path)

    def forbidden(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "train", forbidden)
    second = get_teacher("mobilenetv1_025", digits, config, path=path)
    for a, b in zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_another_training_or_a_damaged_file_trains_anew(digits, tmp_path):
    path = tmp_path / "teacher.safetensors"
    path.write_bytes(b"damaged")
    get_teacher("mobilenetv1_025", digits, TrainConfig(epochs=1), path=path)
    epochs = []
    get_teacher("mobilenetv1_025", digits, TrainConfig(epochs=2), path=path, on_epoch=epochs.append)
    assert len(epochs) == 2


def test_no_gradient_reaches_the_teacher(digits):
    teacher = get_teacher("mobilenetv1_025", digits, TrainConfig(epochs=1))
    scores = torch.randn(4, 10, requires_grad=True)
    distillation_loss(teacher)(scores, torch.tensor([0, 1, 2, 3]), torch.randn(4, 1, 16, 16)).backward()
    assert scores.grad is not None
    before = [p.grad.clone() if p.grad is not None else None for p in teacher.network.parameters()]
    distillation_loss(teacher)(scores, torch.tensor([0, 1, 2, 3]), torch.randn(4, 1, 16, 16)).backward()
    after = [p.grad for p in teacher.network.parameters()]
    assert all(a is None if b is None else torch.equal(a, b) for a, b in zip(after, before, strict=True))
