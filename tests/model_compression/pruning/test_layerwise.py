"""Refits against numpy, and what they are worth."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model_compression.pruning.allocation import least_important, uniform
from model_compression.pruning.channels import channel_groups, prune_channels
from model_compression.pruning.importance import IMPORTANCES
from model_compression.pruning.layerwise import energy_aware_pruning, layerwise_pruning, least_squares

from .conftest import SHAPE


def test_closed_form_is_numpy_s() -> None:
    torch.manual_seed(0)
    inputs, targets = torch.randn(50, 6).double(), torch.randn(50, 3).double()
    inputs[:, 5] = inputs[:, 4]  # not of full rank
    expected = np.linalg.lstsq(inputs.numpy(), targets.numpy(), rcond=None)[0]
    np.testing.assert_allclose(least_squares(inputs, targets).numpy(), expected, atol=1e-10)


def test_every_layer_gives_more_of_what_it_gave(trained, groups, batches, evaluate) -> None:
    images = torch.cat([x for x, _ in batches])
    scores, kept = IMPORTANCES.get("l1")(trained, groups), uniform(groups, 0.4)
    done = layerwise_pruning(trained, kept, images, scores=scores, shape=SHAPE, groups=groups)
    assert [r.group for r in done.refits] == [g.name for g in groups]
    assert all(refit.after < refit.before for refit in done.refits)
    assert done.removed == least_important(groups, scores, kept)
    one_shot = prune_channels(trained, done.removed, SHAPE, groups=groups)
    assert evaluate(done.network) >= evaluate(one_shot)
    # the layer's own error, measured from outside
    (first,) = done.refits[:1]
    with torch.no_grad():
        seen = trained[0](images)
        expected = trained[1][0](seen)
        gone = done.removed[first.group]
        left = [c for c in range(16) if c not in gone]
        cut = F.conv2d(seen[:, left], trained[1][0].weight[:, left], stride=2, padding=1)
    # of a sample of the places
    assert float((cut - expected).square().mean()) == pytest.approx(first.before, rel=0.1)


def test_the_order_is_the_table_s(trained, groups, batches) -> None:
    images, scores = batches[0][0], IMPORTANCES.get("l2")(trained, groups)
    energy = {groups[0].name: 1.0, groups[1].name: 7.0, groups[2].name: 3.0}
    done = energy_aware_pruning(
        trained, uniform(groups, 0.5), images, scores=scores, shape=SHAPE, energy=energy, groups=groups
    )
    assert [r.group for r in done.refits] == [groups[1].name, groups[2].name, groups[0].name]
    assert all(refit.after <= refit.before for refit in done.refits)
    assert [done.network[i][0].out_channels for i in range(3)] == [8, 8, 16]
    by_macs = energy_aware_pruning(trained, uniform(groups, 0.5), images, scores=scores, shape=SHAPE, groups=groups)
    assert by_macs.refits[0].group == groups[1].name  # that convolution and the one after it


def test_biases_and_flattened_maps() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)).eval()
    groups, images = channel_groups(network, SHAPE), torch.rand(400, *SHAPE[1:])
    scores = IMPORTANCES.get("l1")(network, groups)
    done = layerwise_pruning(network, {"0": 6}, images, scores=scores, shape=SHAPE, groups=groups)
    cut = prune_channels(network, done.removed, SHAPE, groups=groups)
    with torch.no_grad():
        errors = [float((n(images) - network(images)).square().mean()) for n in (done.network, cut)]
    assert errors[0] == pytest.approx(done.refits[0].after, rel=1e-3) and errors[0] < errors[1]
