import numpy as np
import pytest
import torch
from torch import nn


def test_two_layers_by_numpy(score, batch):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 40), nn.ReLU(), nn.Linear(40, 5))
    images, labels = batch
    first, second = (network[i].weight.detach().double().numpy() for i in (1, 3))
    bias = network[1].bias.detach().double().numpy()
    on = images.flatten(1).double().numpy() @ first.T + bias > 0
    jacobian = (on * second.sum(0)) @ first
    eigenvalues = np.linalg.eigvals(np.corrcoef(jacobian)).real
    expected = -np.sum(np.log(eigenvalues + 1e-5) + 1 / (eigenvalues + 1e-5))
    assert score("jacov", network, images, labels) == pytest.approx(expected, rel=1e-3)


def test_images_that_pull_alike_score_lower(score, linear, batch):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 200), nn.ReLU(), nn.Linear(200, 5))
    assert score("jacov", linear, *batch) < score("jacov", network, *batch)  # one Jacobian for all images


def test_labels_do_not_matter(score, batch):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 40), nn.ReLU(), nn.Linear(40, 5))
    images, labels = batch
    assert score("jacov", network, images, labels) == score("jacov", network, images, 4 - labels)
