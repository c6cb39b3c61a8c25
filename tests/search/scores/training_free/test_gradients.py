"""SNIP, gradient norm and ZiCo of a linear classifier, whose gradients are known."""

import numpy as np
import pytest
import torch
from torch import nn


def test_snip_sums_weight_times_gradient(score, linear, linear_gradient, batch):
    expected = (linear[1].weight.double() * linear_gradient(*batch)).abs().sum().item()
    assert score("snip", linear, *batch) == pytest.approx(expected, rel=1e-4)


def test_grad_norm_is_the_length_of_the_gradient(score, linear, linear_gradient, batch):
    assert score("grad_norm", linear, *batch) == pytest.approx(linear_gradient(*batch).norm().item(), rel=1e-4)


def test_grad_norm_adds_the_lengths_of_layers(score, batch):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    nn.functional.cross_entropy(network(batch[0]), batch[1]).backward()
    expected = sum(network[i].weight.grad.norm().item() for i in (0, 4))
    assert score("grad_norm", network, *batch) == pytest.approx(expected, rel=1e-4)


def test_zico_is_mean_over_deviation_of_the_gradients_of_two_batches(score, linear, linear_gradient, batch):
    images, labels = batch
    gradients = np.stack([linear_gradient(images[part], labels[part]).numpy() for part in (slice(6), slice(6, 12))])
    ratios = np.abs(gradients).mean(0) / gradients.std(0)
    assert score("zico", linear, images, labels) == pytest.approx(np.log(ratios.sum()), rel=1e-3)


def test_zico_leaves_out_what_is_the_same_for_all_images(score, batch):
    images, labels = (torch.cat([part[:6], part[:6]]) for part in batch)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    assert score("zico", network, images, labels) == 0.0
