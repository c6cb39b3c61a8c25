import copy

import numpy as np
import pytest
import torch
from torch import nn

from model_compression.errors import FactorizationError
from model_compression.low_rank import factorize
from model_compression.low_rank.constraint import RankConstraint
from zoo.data import ImageSet
from zoo.training import TrainConfig, accuracy, train


@pytest.mark.parametrize(("kind", "axes"), [("svd", None), ("separable", (1, 2, 0, 3))])
def test_a_step_takes_the_strength_off_every_singular_value(kind, axes):
    network = nn.Sequential(nn.Conv2d(4, 6, 3))

    def values():
        weight = network[0].weight.detach().numpy()
        matrix = weight.reshape(6, -1) if axes is None else weight.transpose(axes).reshape(12, 18)
        return np.linalg.svd(matrix, compute_uv=False)

    before = values()
    constraint = RankConstraint(network, ["0"], strength=0.1, kind=kind)
    constraint()
    np.testing.assert_allclose(values(), np.maximum(before - 0.1, 0), atol=1e-5)
    constraint.shrink(2)
    np.testing.assert_allclose(values(), np.maximum(before - 0.3, 0), atol=1e-5)


def test_it_shrinks_every_few_steps_by_as_much_in_all():
    one, other = nn.Sequential(nn.Linear(6, 6)), nn.Sequential(nn.Linear(6, 6))
    other.load_state_dict(one.state_dict())
    often, seldom = RankConstraint(one, ["0"], strength=0.02), RankConstraint(other, ["0"], strength=0.02, every=3)
    for _ in range(6):
        often(), seldom()
    torch.testing.assert_close(one[0].weight, other[0].weight)


def test_ranks_are_those_that_hold_the_energy():
    network = nn.Sequential(nn.Linear(5, 4, bias=False))
    with torch.no_grad():
        network[0].weight.zero_()[range(4), range(4)] = torch.tensor([3.0, 2, 1, 0])  # of 14: 9, 13, 14
    constraint = RankConstraint(network, ["0"], strength=0)
    assert [constraint.ranks(energy=e)["0"] for e in (0.6, 0.9, 0.95, 1.0)] == [1, 2, 3, 3]
    small = factorize(network, constraint.factors(energy=1.0))
    images = torch.randn(3, 5)
    torch.testing.assert_close(small(images), network(images), atol=1e-5, rtol=1e-4)


def test_bad_input_is_met_in_one_line():
    network = nn.Sequential(nn.Linear(5, 4), nn.ReLU())
    with pytest.raises(FactorizationError, match="layer '1' as svd: ReLU"):
        RankConstraint(network, ["1"], strength=1)
    with pytest.raises(FactorizationError, match=r"layer '0' as separable: .* use svd"):
        RankConstraint(network, ["0"], strength=1, kind="separable")
    with pytest.raises(FactorizationError, match="a strength of -1"):
        RankConstraint(network, ["0"], strength=-1)


def test_ranks_are_held_after_the_steps_of_shrinking():
    network = nn.Sequential(nn.Linear(6, 6, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.diag(torch.arange(1.0, 7)))
    constraint = RankConstraint(network, ["0"], strength=2.0, steps=2)
    constraint(), constraint()
    assert constraint.ranks(energy=1.0) == {"0": 2}  # of 5 and 6, less 4
    constraint()
    with torch.no_grad():
        network[0].weight.add_(torch.eye(6))
    constraint.finish()
    np.testing.assert_allclose(network[0].weight.detach().diagonal(), [0, 0, 0, 0, 2, 3], atol=1e-5)


@pytest.mark.slow
def test_ranks_fall_with_the_strength_and_the_accuracy_stays(digits):
    """The decomposition at the ranks that the training left: within a point of the free network."""
    torch.manual_seed(0)
    start = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32),
        nn.ReLU(), nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    parts = (digits.val, digits.test)
    held = ImageSet(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))
    epochs, steps_each = 8, -(-len(digits.train) // 64)
    ranks, scores = [], []
    for strength in (0.0, 4e-3, 8e-3):
        network = copy.deepcopy(start)
        constraint = RankConstraint(network, ["3", "7"], strength=strength, steps=epochs * steps_each // 2, every=4)
        train(network, digits, TrainConfig(epochs, lr=0.05), resolution=8, on_step=constraint)
        constraint.finish()
        ranks.append(sum(constraint.ranks().values()))
        scores.append(accuracy(factorize(network, constraint.factors(energy=0.9999)), held, digits, 8))
    print(ranks, scores)
    assert ranks[0] > 1.15 * ranks[1] > 1.15**2 * ranks[2]
    assert min(scores) > scores[0] - 0.01
