"""Losses of feature maps against their definitions."""

import pytest
import torch
import torch.nn.functional as F

from model_compression.distillation.features import Features
from model_compression.distillation.features.activation_boundary import boundary_distance
from model_compression.distillation.features.fsp import flow
from model_compression.distillation.features.graph import AttentionGraphLoss
from model_compression.distillation.features.nst import _kernel
from model_compression.distillation.features.overhaul import margins, partial_distance
from model_compression.distillation.features.review import context_distance
from model_compression.distillation.features.svd import align, singular_vectors


def test_attention_is_blind_to_the_order_of_channels(build, student, twin, labels):
    loss = build("at", student, twin)
    shuffled = Features([m[:, torch.randperm(m.shape[1])] for m in student.maps], student.embedding)
    torch.testing.assert_close(loss(shuffled, twin, labels), loss(student, twin, labels))


def test_a_regressor_reaches_a_linear_map_of_the_student(build, student, twin, labels):
    mixing = torch.randn(6, 4, generator=torch.Generator().manual_seed(5))
    target = Features([torch.einsum("dc,nchw->ndhw", mixing, student.maps[0]), twin.maps[1]], twin.embedding)
    loss = build("fitnet", student, target)
    with torch.no_grad():
        loss.regressors[0].weight.copy_(mixing[..., None, None])
        loss.regressors[0].bias.zero_()
    assert loss.compare(0, student.maps[0], target.maps[0]).item() < 1e-10


def test_a_flow_is_the_mean_product_over_pixels():
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 5, 4, 4)
    torch.testing.assert_close(flow(a, b), torch.einsum("nchw,ndhw->ncd", a, b) / 16)
    assert flow(torch.randn(2, 3, 8, 8), b).shape == (2, 3, 5)


def test_selectivity_is_the_mean_discrepancy_pair_by_pair():
    a, b = torch.randn(1, 3, 4), torch.randn(1, 2, 4)
    expected = sum(float(x @ y) ** 2 for x in a[0] for y in b[0]) / 6
    assert _kernel(a, b).item() == pytest.approx(expected, rel=1e-5)


def test_boundaries_count_only_where_the_student_is_not_clear_of_them():
    student, teacher = torch.tensor([2.0, 0.5, -3.0, -2.0, 0.5]), torch.tensor([1.0, 1.0, 1.0, -1.0, 0.0])
    torch.testing.assert_close(
        boundary_distance(student, teacher, margin=1.0), torch.tensor([0.0, 0.25, 16.0, 0.0, 2.25])
    )


def test_a_student_below_a_silent_teacher_is_left_alone():
    student, teacher = torch.tensor([-3.0, 1.0, -3.0]), torch.tensor([-1.0, -1.0, 2.0])
    torch.testing.assert_close(partial_distance(student, teacher), torch.tensor([0.0, 4.0, 25.0]))
    maps = torch.tensor([[1.0, -2.0, -4.0], [1.0, 0.0, 3.0]]).view(1, 2, 1, 3)
    torch.testing.assert_close(margins(maps).flatten(), torch.tensor([-3.0, 0.0]))


def test_the_context_is_that_of_every_size():
    a, b = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    errors = [F.mse_loss(F.adaptive_avg_pool2d(a, k), F.adaptive_avg_pool2d(b, k)) for k in (8, 4, 2, 1)]
    weights = (1, 1 / 2, 1 / 4, 1 / 8)
    expected = sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)
    torch.testing.assert_close(context_distance(a, b), expected)


def test_singular_vectors_are_numpys_and_find_their_partners():
    maps = torch.randn(1, 5, 4, 4)
    vectors, values = singular_vectors(maps, 2)
    _, singular, right = torch.linalg.svd(maps.flatten(2).transpose(1, 2), full_matrices=False)
    torch.testing.assert_close(vectors[0].T.abs(), right[0, :2].abs(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(values[0, 0], F.normalize(singular[0, :2], dim=0))
    swapped = torch.stack((-vectors[..., 1], vectors[..., 0]), 2)
    torch.testing.assert_close(align(swapped, vectors), vectors)


def test_rows_of_attention_sum_to_one(student):
    loss = AttentionGraphLoss(*[_shapes(student)] * 2)
    for graph in loss.graphs([m.mean((2, 3)) for m in student.maps]):
        torch.testing.assert_close(graph.exp().sum(2), torch.ones(graph.shape[:2]))


def _shapes(features):
    from model_compression.distillation.features import Shapes

    return Shapes(tuple(tuple(m.shape[1:]) for m in features.maps), features.embedding.shape[1])


def test_the_variance_stays_positive(build, student, teacher, labels):
    loss = build("vid", student, teacher)
    torch.testing.assert_close(loss.variance(0), torch.full((5,), 5.0))
    with torch.no_grad():
        loss.scales[0].fill_(-1000)
    assert (loss.variance(0) > 0).all()
