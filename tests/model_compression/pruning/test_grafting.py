"""Merged layers against the layers they were."""

import pytest
import torch
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.grafting import GraftedReLU, graft, merge
from zoo.training.loop import TrainConfig, train


def block(share: float, *, stride: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 10, 3, stride, 1), nn.BatchNorm2d(10), nn.ReLU(), nn.Conv2d(10, 5, 1), nn.ReLU()
    )
    for _ in range(3):
        network.train()(torch.randn(16, 3, 8, 8))
    return graft(network, torch.randn(8, 3, 8, 8), share, layers=["2"])


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("stride", [1, 2])
def test_merged_is_unmerged(share: float, stride: int) -> None:
    network = block(share, stride=stride)
    act = network[2]
    assert isinstance(act, GraftedReLU) and int(act.linear.sum()) == 10 * share
    with torch.no_grad():
        act.slope.add_(0.1)
        merged = merge(network[0], act, network[3], norm=network[1]).eval()
        images = torch.randn(4, 3, 8, 8)
        assert (merged(images) - network[:4](images)).abs().max() < 1e-5
    assert len([m for m in merged.modules() if isinstance(m, nn.Conv2d)]) == (1 if share == 1 else 3)


def test_lines_are_least_squares_and_the_nearest_go_first() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.copy_(torch.tensor([5.0, 0.0, -5.0]))  # always on, half, never
    images = torch.rand(64, 1, 4, 4) * 2 - 1
    act = graft(network, images, 2 / 3)[1]
    assert act.linear.tolist() == [True, False, True]
    torch.testing.assert_close(act.slope, torch.tensor([1.0, act.slope[1].item(), 0.0]), atol=1e-5, rtol=0)
    x = images.flatten().double()
    design = torch.stack([x, torch.ones_like(x)], 1)
    line = torch.linalg.lstsq(design, x.clamp(min=0)[:, None]).solution[:, 0]
    torch.testing.assert_close(torch.stack([act.slope[1], act.offset[1]]).double(), line, atol=1e-5, rtol=0)


def test_a_fifth_grafted_costs_a_point_at_most(trained, batches, small_digits, evaluate) -> None:
    grafted = graft(trained, torch.cat([x for x, _ in batches]), 0.2)
    assert sum(int(m.linear.sum()) for m in grafted.modules() if isinstance(m, GraftedReLU)) == round(0.2 * 64)
    train(grafted, small_digits, TrainConfig(epochs=3, lr=0.05), resolution=8)
    assert evaluate(grafted) >= evaluate(trained) - 0.0105


def test_one_line_for_what_cannot_be_merged() -> None:
    act = block(0.2)[2]
    with pytest.raises(PruningError, match="1x1"):
        merge(nn.Conv2d(3, 10, 3), act, nn.Conv2d(10, 5, 3))
    with pytest.raises(PruningError, match="groups"):
        merge(nn.Conv2d(10, 10, 3, groups=2), act, nn.Conv2d(10, 5, 1))
    with pytest.raises(PruningError, match=r"no nn\.ReLU"):
        graft(nn.Sequential(nn.Conv2d(1, 1, 1)), torch.rand(1, 1, 2, 2), 0.5, layers=["0"])
