"""Masks that are thought over."""

import copy
import itertools

import pytest
import torch

from model_compression.pruning.dynamic import DynamicMasks, global_dynamic_pruning
from model_compression.pruning.importance import IMPORTANCES
from zoo.training.loop import TrainConfig

from .conftest import SHAPE, make_digit_network


def test_a_filter_wrongly_masked_comes_back(trained, groups, batches) -> None:
    images, labels = batches[0]
    masks = DynamicMasks(trained, groups[:1], share=0.25)
    weight = trained.get_submodule(groups[0].name).weight
    salience = torch.ones(16)
    salience[3] = 0
    direction = torch.ones_like(weight)

    # |sum of w g| is what the test says: w is whatever it is, g is set by hand
    def gradients() -> None:
        weight.grad = direction * (salience / weight.detach().sum((1, 2, 3))).view(-1, 1, 1, 1)

    gradients()
    masks.observe()
    masks.update()
    assert 3 in masks.removed[groups[0].name] and masks.masks[groups[0].name][3] == 0
    salience[3] = 50
    for _ in range(5):
        gradients()
        masks.observe()
    masks.update()
    assert 3 not in masks.removed[groups[0].name] and masks.masks[groups[0].name][3] == 1
    weight.grad = None
    torch.nn.functional.cross_entropy(trained(images), labels).backward()
    assert weight.grad[masks.removed[groups[0].name]].abs().sum() > 0
    masks.close()


def test_the_share_and_the_masked_network(small_digits, groups, batches, evaluate) -> None:
    network, seen = make_digit_network(), []
    pruned = global_dynamic_pruning(
        network, small_digits, TrainConfig(epochs=4), share=0.4, shape=SHAPE, groups=groups, every=3,
        on_update=lambda m: seen.append(copy.deepcopy(m.removed)),
    )  # fmt: skip
    total = sum(g.size for g in groups)
    assert sum(map(len, pruned.removed.values())) / total == pytest.approx(0.4, abs=0.5 / total)
    assert len(seen) > 5 and any(
        set(a[name]) - set(b.get(name, ())) for a, b in itertools.pairwise(seen) for name in a
    )  # some came back
    assert seen[-1] == pruned.removed
    assert evaluate(pruned.network) > 0.4
    assert set(IMPORTANCES.get("taylor-weights")(network, groups, batches)) == {g.name for g in groups}
