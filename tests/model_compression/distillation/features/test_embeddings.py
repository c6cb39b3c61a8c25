"""Losses of relations between samples."""

import math

import pytest
import torch
import torch.nn.functional as F

from model_compression.distillation.features import Features
from model_compression.distillation.features.adversarial import _Reverse
from model_compression.distillation.features.crd import contrast
from model_compression.distillation.features.pkt import neighbours
from model_compression.distillation.features.rkd import angles, distances
from model_compression.distillation.features.similarity import similarity


def _moved(embedding):
    """An isometry: turned, mirrored and shifted."""
    rotation = torch.linalg.qr(torch.randn(embedding.shape[1], embedding.shape[1], dtype=embedding.dtype))[0]
    return embedding @ rotation + 3


def test_relations_do_not_change_when_all_samples_move_as_one():
    embedding = torch.randn(6, 8, dtype=torch.float64)
    torch.testing.assert_close(distances(_moved(embedding)), distances(embedding))
    torch.testing.assert_close(distances(embedding * 5), distances(embedding))
    torch.testing.assert_close(angles(_moved(embedding)), angles(embedding))


def test_distances_are_euclidean_ones():
    embedding = torch.randn(5, 3, dtype=torch.float64)
    expected = torch.cdist(embedding, embedding)
    torch.testing.assert_close(distances(embedding), expected / (expected.sum() / 20))


def test_an_angle_is_that_of_a_triangle():
    corner = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert angles(corner)[0, 1, 2].item() == pytest.approx(math.cos(math.pi / 4))


def test_neighbours_are_chances():
    chances = neighbours(torch.randn(5, 3))
    assert (chances >= 0).all()
    torch.testing.assert_close(chances.sum(1), torch.ones(5))


def test_similarity_does_not_change_under_rotation():
    flat = torch.randn(5, 7, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64))[0]
    torch.testing.assert_close(similarity((flat @ rotation)[..., None, None]), similarity(flat[..., None, None]))


def test_similarity_is_the_gram_matrix_with_rows_of_length_1():
    maps = torch.randn(4, 3, 2, 2)
    for row, own in zip(similarity(maps), maps, strict=True):
        products = torch.stack([(own * other).sum() for other in maps])
        torch.testing.assert_close(row, products / products.pow(2).sum().sqrt())


def test_the_kernel_nears_the_gaussian(build, student):
    loss = build("cc", student, student, order=20)
    unit = F.normalize(torch.randn(5, 3))
    torch.testing.assert_close(loss.kernel(unit), (-0.4 * torch.cdist(unit, unit) ** 2).exp(), atol=1e-5, rtol=1e-4)


def test_contrast_is_infonce_over_keys_of_other_classes():
    queries, keys = F.normalize(torch.randn(3, 4)), F.normalize(torch.randn(5, 4))
    labels, key_labels = torch.tensor([0, 1, 0]), torch.tensor([0, 1, 0, 0, 2])
    expected = 0.0
    for i, label in enumerate(labels):
        scores = (keys @ queries[i] / 0.1).exp()
        rivals = [j for j in range(5) if j == i or key_labels[j] != label]
        expected -= float((scores[i] / scores[rivals].sum()).log()) / 3
    assert contrast(queries, keys, labels, key_labels, 0.1).item() == pytest.approx(expected, rel=1e-4)


def test_the_queue_keeps_the_newest_embeddings(build, student, teacher, labels):
    loss = build("crd", student, teacher, queue=8).train()
    older = Features(teacher.maps, teacher.embedding + 1)
    loss(student, older, labels)
    loss(student, teacher, labels)
    torch.testing.assert_close(loss.past, torch.cat((teacher.embedding, older.embedding[:2])))


def test_the_discriminator_learns_and_the_student_works_against_it():
    x = torch.ones(3, requires_grad=True)
    _Reverse.apply(x).sum().backward()
    torch.testing.assert_close(x.grad, -torch.ones(3))
