"""What holds for every loss of features."""

import pytest
import torch

from model_compression.distillation.features import FEATURE_LOSSES, Features, Shapes
from model_compression.errors import DistillationError
from zoo import UnknownNameError

_ZERO_FOR_EQUALS = ["at", "pkt", "nst", "fsp", "rkd", "sp", "cc", "kdsvd", "mhgd", "embedding", "alignment"]


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_any_two_networks_pair_up_and_the_student_learns(name, build, student, teacher, labels):
    loss = build(name, student, teacher).train()
    own = Features([m.clone().requires_grad_() for m in student.maps], student.embedding.clone().requires_grad_())
    value = loss(own, teacher, labels)
    value.backward()
    gradients = [t.grad for t in (*own.maps, own.embedding) if t.grad is not None]
    assert value.ndim == 0 and torch.isfinite(value)
    assert gradients and all(torch.isfinite(g).all() for g in gradients) and any(g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_dead_features_give_finite_gradients(name, build, student, teacher, labels):
    own = Features(
        [torch.zeros_like(m).requires_grad_() for m in student.maps],
        torch.zeros_like(student.embedding).requires_grad_(),
    )
    dead = Features([torch.zeros_like(m) for m in teacher.maps], torch.zeros_like(teacher.embedding))
    value = build(name, student, teacher).train()(own, dead, labels)
    value.backward()
    assert torch.isfinite(value)
    for tensor in (*own.maps, own.embedding):
        assert tensor.grad is None or torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("name", _ZERO_FOR_EQUALS)
def test_equal_networks_lose_nothing_and_others_something(name, build, student, twin, labels):
    loss = build(name, student, student)
    assert loss(student, student, labels).item() == pytest.approx(0, abs=1e-6)
    assert loss(student, twin, labels).item() > 1e-6


@pytest.mark.parametrize("name", sorted(set(FEATURE_LOSSES) - set(_ZERO_FOR_EQUALS)))
def test_the_other_losses_have_weights_that_training_lowers(name, build, student, teacher, labels):
    loss = build(name, student, teacher).train()
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.01)
    first = loss(student, teacher, labels).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss(student, teacher, labels).backward()
        optimizer.step()
    assert loss(student, teacher, labels).item() < first


def test_a_loss_without_enough_maps_says_so(student):
    one = Shapes(((4, 8, 8),), 10)
    with pytest.raises(DistillationError, match="FlowLoss needs 2 pairs of feature maps, got 1"):
        FEATURE_LOSSES.get("fsp")(one, one)


def test_an_unknown_name_is_met_with_near_ones():
    with pytest.raises(UnknownNameError, match="unknown feature loss 'fitnets'; did you mean 'fitnet'"):
        FEATURE_LOSSES.get("fitnets")
