"""Criteria against their definitions by numpy, and against what removing a channel really does."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.pruning.channels import ChannelGroup, channel_groups, mask_channels
from model_compression.pruning.importance import IMPORTANCES
from model_compression.pruning.importance.gate import FusedPoolAttention
from zoo.data import Splits
from zoo.training.loop import TrainConfig, train

from ..conftest import make_digit_network

Groups = tuple[ChannelGroup, ...]
Batches = list[tuple[Tensor, Tensor]]


@pytest.mark.parametrize("name", IMPORTANCES.names())
def test_scores_of_all_channels(name: str, trained: nn.Module, groups: Groups, batches: Batches) -> None:
    before = copy.deepcopy(trained.state_dict())
    scores = IMPORTANCES.get(name)(trained, groups, batches)
    assert {g: len(s) for g, s in scores.items()} == {g.name: g.size for g in groups}
    assert all(torch.isfinite(s).all() and (s >= 0).all() and not s.requires_grad for s in scores.values())
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in trained.parameters())


def test_norms_are_numpy_s(trained: nn.Module, groups: Groups) -> None:
    for name, order in (("l1", 1), ("l2", 2)):
        scores = IMPORTANCES.get(name)(trained, groups)
        for group in groups:
            weight = trained.get_submodule(group.name).weight.detach().numpy()
            norms = np.linalg.norm(weight.reshape(len(weight), -1), order, axis=1)
            kept = sorted(set(range(group.size)) - set(group.lowest(scores[group.name], 5)))
            assert kept == sorted(np.argsort(norms)[5:])


def test_norms_of_torch_pruning(trained: nn.Module, groups: Groups) -> None:
    import torch_pruning as tp

    graph = tp.DependencyGraph().build_dependency(copy.deepcopy(trained), torch.rand(1, 1, 8, 8), verbose=False)
    layer = graph.model.get_submodule(groups[0].name)
    group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, list(range(16)))
    theirs = tp.importance.MagnitudeImportance(p=1, group_reduction="first", normalizer=None)(group)
    ours = IMPORTANCES.get("l1")(trained, groups)[groups[0].name]
    assert spearmanr(theirs, ours)[0] == pytest.approx(1)


def test_taylor_ranks_as_true_ablation_does(small_digits: Splits, groups: Groups, batches: Batches) -> None:
    network = make_digit_network()
    train(network, small_digits, TrainConfig(epochs=1), resolution=8)
    images, labels = (torch.cat(part) for part in zip(*batches, strict=True))
    scores = IMPORTANCES.get("taylor")(network, groups, batches)
    group = groups[1]
    assert group.size == 16

    def losses(network: nn.Module) -> Tensor:
        with torch.no_grad():
            return F.cross_entropy(network(images), labels, reduction="none")

    ablated = [losses(mask_channels(network, {group.name: [c]}, groups)) for c in range(group.size)]
    changes = [float((loss - losses(network)).abs().mean()) for loss in ablated]
    assert spearmanr(scores[group.name], changes)[0] >= 0.8


def test_taylor_of_weights_is_the_derivative_along_a_filter(
    trained: nn.Module, groups: Groups, batches: Batches
) -> None:
    images, labels = batches[0]
    scores = IMPORTANCES.get("taylor-weights")(trained, groups, batches[:1])[groups[1].name]
    network = copy.deepcopy(trained).double().eval()
    weight = network.get_submodule(groups[1].name).weight
    for channel in (0, 7):
        losses = []
        for factor in (1 + 1e-5, 1 - 1e-5):
            kept = weight.detach().clone()
            with torch.no_grad():
                weight[channel] *= factor
                losses.append(float(F.cross_entropy(network(images.double()), labels)))
                weight.copy_(kept)
        assert float(scores[channel]) == pytest.approx(abs(losses[0] - losses[1]) / 2e-5, rel=1e-2, abs=1e-6)


def test_bn_scale_is_gamma(trained: nn.Module, groups: Groups) -> None:
    scores = IMPORTANCES.get("bn-scale")(trained, groups)
    assert torch.equal(scores[groups[0].name], trained[0][1].weight.detach().abs())
    assert IMPORTANCES.get("bn-scale")(nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1)), ()) == {}


def test_exactly_the_planted_copies_go(trained: nn.Module, groups: Groups) -> None:
    group = groups[1]
    weight = trained.get_submodule(group.name).weight
    with torch.no_grad():
        for copied, original, factor in ((3, 1, 1.0), (7, 12, 0.5), (9, 5, -0.25)):
            weight[copied] = factor * weight[original]
    scores = IMPORTANCES.get("similarity")(trained, groups)[group.name]
    assert group.lowest(scores, 3) == [3, 7, 9]
    # of two pairs, the geometric median's criterion sees the middle of all filters instead
    fpgm = IMPORTANCES.get("fpgm")(trained, groups)[group.name]
    rows = weight.detach().flatten(1).numpy()
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2).sum(1)
    np.testing.assert_allclose(fpgm, distances, rtol=1e-4)


def test_gates_close_dead_channels_first(trained: nn.Module, groups: Groups, batches: Batches) -> None:
    dead = [2, 6, 11]
    layer, norm = trained[1][0], trained[1][1]
    with torch.no_grad():
        for value in (layer.weight, norm.weight, norm.bias):
            value[dead] = 0
    assert groups[1].lowest(IMPORTANCES.get("gate")(trained, groups, batches)[groups[1].name], 3) == dead


def test_attention_keeps_shapes_and_starts_even() -> None:
    attention = FusedPoolAttention(12)
    for x in (torch.rand(2, 12, 5, 4), torch.rand(3, 12)):
        assert attention(x).shape == x.shape
        torch.testing.assert_close(attention(x), x * torch.sigmoid(torch.tensor(2.0)))


def test_criteria_of_data_ask_for_it(trained: nn.Module, groups: Groups) -> None:
    for name in ("taylor", "taylor-weights", "gate"):
        with pytest.raises(PruningError, match="needs batches"):
            IMPORTANCES.get(name)(trained, groups)


def test_channels_of_two_layers_count_together() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.a(x)
            return self.c(x + self.b(x))

    network = Residual()
    (group,) = channel_groups(network, (1, 1, 4, 4))
    expected = sum(layer.weight.detach().abs().sum((1, 2, 3)) for layer in (network.a, network.b))
    torch.testing.assert_close(IMPORTANCES.get("l1")(network, [group])["a"], expected)
