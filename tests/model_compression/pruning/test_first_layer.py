"""The stem and nothing else."""

import pytest
import torch
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.first_layer import first_layer_pruning
from model_compression.pruning.importance import IMPORTANCES

from .conftest import SHAPE, staircase_ms


def test_only_the_stem_and_its_readers_change(trained, groups) -> None:
    pruned = first_layer_pruning(
        trained, 0.5, scores=IMPORTANCES.get("l1")(trained, groups), shape=SHAPE, groups=groups, align=4
    )
    old, new = trained.state_dict(), pruned.network.state_dict()
    changed = {name.rpartition(".")[0] for name in old if old[name].shape != new[name].shape}
    assert changed == {"0.0", "0.1", "1.0"} and list(pruned.removed) == ["0.0"] and len(pruned.removed["0.0"]) == 8
    assert all(torch.equal(old[n], new[n]) for n in old if n.rpartition(".")[0] not in changed)
    # 4 blocks of outputs become 2, and 8 pairs of inputs of the next layer become 4
    assert staircase_ms(trained) - staircase_ms(pruned.network) == pytest.approx(0.01 * (2 + 4 * 4))


def test_a_network_that_is_a_classifier_only() -> None:
    with pytest.raises(PruningError, match="first convolution"):
        first_layer_pruning(nn.Sequential(nn.Conv2d(1, 4, 1)), 0.5, scores={}, shape=SHAPE)
