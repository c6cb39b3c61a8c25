"""Counts against hand arithmetic."""

import pytest
import torch
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.allocation import (
    by_sensitivity,
    global_ranking,
    least_important,
    nearest_width,
    normalized,
    sensitivity_curves,
    uniform,
    widths,
)
from model_compression.pruning.channels import ChannelGroup, prune_channels
from model_compression.pruning.importance import IMPORTANCES

from .conftest import SHAPE


def group(name: str, size: int, multiple: int = 1) -> ChannelGroup:
    per = size // multiple
    blocks = tuple(tuple(range(start, size, per)) for start in range(per))
    return ChannelGroup(name, size, multiple, blocks, ())


def test_widths_on_the_staircase() -> None:
    assert widths(group("a", 40), align=16) == (16, 32, 40)
    assert widths(group("a", 8), align=16) == (8,)
    assert widths(group("a", 24, multiple=3), align=4) == (12, 24)
    assert [nearest_width(group("a", 40), c, align=16) for c in (1, 23, 24, 37)] == [16, 16, 32, 40]


def test_uniform_shares() -> None:
    assert uniform([group("a", 10), group("b", 40)], 0.3) == {"a": 7, "b": 28}
    assert uniform([group("a", 10), group("b", 40)], 0.3, align=8) == {"a": 8, "b": 32}
    with pytest.raises(PruningError, match="share"):
        uniform([group("a", 10)], 1.0)


def test_global_ranking_takes_the_lowest_wherever_they_are() -> None:
    groups = [group("a", 4), group("b", 4)]
    scores = {"a": torch.tensor([1.0, 2, 3, 4]), "b": torch.tensor([10.0, 20, 30, 5])}
    assert global_ranking(groups, scores, 0.5, relative=False) == {"a": 1, "b": 3}
    # in units of the means 2.5 and 16.25: 0.4 0.8 1.2 1.6 and 0.62 1.23 1.85 0.31
    assert global_ranking(groups, scores, 0.5) == {"a": 2, "b": 2}
    assert global_ranking(groups, scores, 0.5, relative=False, least=0.5) == {"a": 2, "b": 2}
    assert global_ranking(groups, {"a": scores["a"]}, 0.5) == {"a": 2}
    assert float(normalized(scores)["b"].mean()) == pytest.approx(1)


def test_blocks_stay_whole() -> None:
    one = group("a", 12, multiple=3)
    scores = {"a": torch.arange(12.0)}
    assert least_important([one], scores, {"a": 6}) == {"a": [0, 1, 4, 5, 8, 9]}
    assert least_important([one], scores, {"a": 12}) == {}


def test_counts_by_sensitivity() -> None:
    curves = {"a": {10: 0.9, 7: 0.89, 5: 0.85, 3: 0.88}, "b": {10: 0.9, 5: 0.5}}
    assert by_sensitivity(curves, max_drop=0.02) == {"a": 7, "b": 10}
    assert by_sensitivity(curves, max_drop=0.06) == {"a": 3, "b": 10}


def test_sensitivity_curve_is_that_of_the_pruned_network(trained, groups, evaluate) -> None:
    scores = IMPORTANCES.get("l1")(trained, groups)
    curves = sensitivity_curves(trained, groups, scores, evaluate, shape=SHAPE, shares=(0.5, 0.9))
    name = groups[0].name
    assert list(curves[name]) == [16, 8, 2] and curves[name][16] == evaluate(trained)
    # by hand: zeroed filters and normalisation entries give the same accuracy
    order = trained.get_submodule(name).weight.detach().abs().sum((1, 2, 3)).argsort()[:8]
    with torch.no_grad():
        for value in (trained[0][0].weight, trained[0][1].weight, trained[0][1].bias):
            value[order] = 0
    assert curves[name][8] == evaluate(trained)
    assert isinstance(prune_channels(trained, {name: order.tolist()}, SHAPE, groups=groups), nn.Module)
