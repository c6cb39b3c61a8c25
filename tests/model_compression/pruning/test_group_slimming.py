"""Stages, their thresholds, and attention."""

import copy

import pytest
import torch

from model_compression.pruning.group_slimming import (
    group_channel_pruning,
    sparsity_factors,
    spatial_attention_loss,
    stage_thresholds,
    stages_of,
)
from model_compression.pruning.importance.bn_scale import bn_scale
from zoo.training.loop import TrainConfig

from .conftest import SHAPE


def test_stages_are_map_sizes_and_kinds(trained, groups) -> None:
    assert list(stages_of(trained, groups, SHAPE).values()) == [
        (64, "Conv2d 3x3"),
        (16, "Conv2d 3x3"),
        (16, "Conv2d 3x3"),
    ]


def test_each_stage_has_a_threshold_of_its_own(trained, groups) -> None:
    stages = stages_of(trained, groups, SHAPE)
    scores = {
        groups[0].name: torch.linspace(90, 110, 16),  # large and alike
        groups[1].name: torch.linspace(0, 1, 16),
        groups[2].name: torch.linspace(0, 1, 32),
    }
    kept = stage_thresholds(groups, scores, stages, 0.25)
    assert sum(kept.values()) == 48 and kept[groups[0].name] == 16 and kept[groups[1].name] < 16
    by_hand = 0.0
    for name in (groups[1].name, groups[2].name):
        removed = scores[name].sort().values[: len(scores[name]) - kept[name]]
        by_hand = max(by_hand, float(removed.max()))
    assert all(float(scores[n].sort().values[len(scores[n]) - kept[n]]) >= by_hand for n in list(kept)[1:])


def test_factors_follow_the_scales() -> None:
    factors = sparsity_factors([torch.full((4,), -3.0), torch.full((8,), 1.0)], 0.1)
    assert factors == pytest.approx([0.15, 0.05])


def test_attention_of_identical_maps() -> None:
    torch.manual_seed(0)
    maps = [torch.rand(2, 4, 5, 5), torch.rand(2, 8, 3, 3)]
    assert float(spatial_attention_loss(maps, maps)) == 0
    # channels do not matter, nor does the scale
    doubled = [torch.cat([m, m], 1) * 3 for m in maps]
    assert float(spatial_attention_loss(doubled, maps)) == pytest.approx(0, abs=1e-6)
    assert float(spatial_attention_loss([m.flip(3) for m in maps], maps)) > 0.01


def test_the_whole_recipe(trained, groups, small_digits, evaluate) -> None:
    before = copy.deepcopy(trained.state_dict())
    pruned = group_channel_pruning(
        trained, small_digits, TrainConfig(epochs=2, lr=0.05), share=0.4, shape=SHAPE,
        fine_tune=TrainConfig(epochs=4), groups=groups,
    )  # fmt: skip
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())
    assert sum(map(len, pruned.removed.values())) == pytest.approx(0.4 * 64, abs=2)
    assert evaluate(pruned.network) > 0.5
    assert set(bn_scale(trained, groups)) == {g.name for g in groups}
