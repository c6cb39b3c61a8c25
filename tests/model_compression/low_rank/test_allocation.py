import itertools

import pytest
import torch
from torch import nn

import zoo
from model_compression.errors import BudgetError, FactorizationError
from model_compression.low_rank import DECOMPOSITIONS, Factors
from model_compression.low_rank.allocation import (
    Candidate,
    allocate,
    energy_ranks,
    is_smaller,
    rank_candidates,
    uniform_ranks,
)
from model_compression.low_rank.covariance import input_covariances
from model_compression.low_rank.layers import relative_error
from zoo import UnknownNameError
from zoo.counting import complexity

SHAPE = (1, 6, 8, 8)


def staircase(layer, input_shape):
    """Milliseconds of a device that computes channels in blocks of 8, and takes a while to call each layer."""
    blocks = 0.0
    for conv in layer.modules():
        if isinstance(conv, nn.Conv2d | nn.Linear):
            outputs, inputs = conv.weight.shape[:2]
            blocks += 1e-2 + 1e-6 * -(-outputs // 8) * -(-inputs // 8) * conv.weight[0, 0].numel() * 64**2
    return blocks


@pytest.fixture(scope="module")
def network():
    """Three layers of one shape: of full rank, of rank 8 and a bit, and one that hardly matters for the outputs."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(3)]
    with torch.no_grad():
        low = torch.einsum("op,pqab,iq->oiab", torch.randn(64, 8), torch.randn(8, 8, 3, 3), torch.randn(64, 8)) / 300
        layers[1].weight.copy_(low + 0.003 * torch.randn(64, 64, 3, 3))
    return nn.Sequential(nn.Conv2d(6, 64, 1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)).eval()


@pytest.fixture(scope="module")
def candidates(network):
    return rank_candidates(network, SHAPE, cost=staircase, multiple=8, kinds=("svd", "tucker", "separable"), most=6)


def test_candidates_lie_on_the_staircase_and_are_smaller_and_faster(network, candidates):
    assert list(candidates) == ["0", "1", "2", "3", "6"]
    for name, found in candidates.items():
        assert found[0] == Candidate(None, 0.0, staircase(network[int(name)], ()))
        for candidate in found[1::3]:
            way, layer = candidate.factors.decomposition, network[int(name)]
            assert all(rank % 8 == 0 for rank in candidate.factors.ranks)
            small = way.decompose(layer, candidate.factors.ranks)
            shape = (64,) if name == "6" else (layer.weight.shape[1], 8, 8)
            assert complexity(small, shape).macs < complexity(layer, shape).macs
            assert candidate.ms == staircase(small, ()) < found[0].ms
            assert candidate.damage == pytest.approx(relative_error(small, layer))
    assert {c.factors.kind for c in candidates["1"][1:]} == {"svd", "tucker", "separable"}
    assert len(candidates["0"]) == 1  # 6 channels in: nothing on the staircase makes it smaller


def test_the_choice_is_the_best_of_all_within_the_budget(candidates):
    whole = sum(found[0].ms for found in candidates.values())
    for share in (0.4, 0.6, 0.9):
        found = allocate(candidates, budget_ms=share * whole)
        # the frontier of each layer is enough to try
        fronts = [
            [c for c in found if not any(d.ms <= c.ms and d.damage < c.damage for d in found)]
            for found in candidates.values()
        ]
        best = min(
            sum(c.damage for c in chosen)
            for chosen in itertools.product(*fronts)
            if sum(c.ms for c in chosen) <= share * whole
        )
        assert found.ms <= share * whole
        assert found.damage == pytest.approx(best, abs=1e-9)
    assert allocate(candidates, budget_ms=whole).factors == {}
    with pytest.raises(BudgetError, match="even the cheapest options cost"):
        allocate(candidates, budget_ms=0.01 * whole)


def test_it_beats_uniform_ranks_at_equal_latency(network, candidates):
    names = ["1", "2", "3"]
    uniform = uniform_ranks(network, SHAPE, kind="tucker", share=0.5, names=names, multiple=8)
    assert set(uniform) == set(names)
    damage = ms = 0.0
    for name, how in uniform.items():
        small = how.decomposition.decompose(network[int(name)], how.ranks)
        damage, ms = damage + relative_error(small, network[int(name)]), ms + staircase(small, ())
    found = allocate({name: candidates[name] for name in names}, budget_ms=ms)
    assert found.ms <= ms
    assert found.damage < 0.8 * damage
    assert max(found.factors["2"].ranks) <= 16


def test_a_sensitive_layer_is_spared(network, candidates):
    names = ["1", "2", "3"]
    budget = 0.6 * sum(candidates[name][0].ms for name in names)
    plain = allocate({name: candidates[name] for name in names}, budget_ms=budget)
    lossy = next(name for name in plain.factors if name != "2")
    spared = rank_candidates(
        network, SHAPE, cost=staircase, multiple=8, names=names, kinds=("tucker",), sensitivities={lossy: 1e4}, most=6
    )
    assert lossy not in allocate(spared, budget_ms=budget).factors


def test_damage_is_in_the_norm_of_the_images(network):
    covariances = input_covariances(network, torch.randn(16, *SHAPE[1:]), ["2"])
    found = rank_candidates(
        network, SHAPE, cost=staircase, multiple=16, kinds=("tucker",), names=["2"], covariances=covariances
    )
    for candidate in found["2"][1:]:
        small = candidate.factors.decomposition.decompose(network[2], candidate.factors.ranks, covariances["2"])
        assert candidate.damage == pytest.approx(relative_error(small, network[2], covariances["2"]), rel=1e-6)


def test_ranks_that_make_a_layer_larger_are_refused(network):
    assert not is_smaller("svd", network[1], (64,), (64, 8, 8))
    assert is_smaller("svd", network[1], (32,), (64, 8, 8))
    assert not is_smaller("cp", network[1], (500,), (64, 8, 8))
    assert uniform_ranks(network, SHAPE, kind="svd", share=1.0, names=["1", "2", "3"], multiple=8) == {}
    # the small layers have fewer parameters, but the stride is met late: more is computed
    strided = nn.Sequential(nn.Conv2d(64, 32, 3, stride=2, padding=1))
    small = DECOMPOSITIONS.get("separable")().decompose(strided[0], (48,))
    assert zoo.complexity(small, (64, 8, 8)).params < zoo.complexity(strided[0], (64, 8, 8)).params
    assert not is_smaller("separable", strided[0], (48,), (64, 8, 8))


def test_energy_gives_each_layer_the_rank_that_it_needs(network):
    found = energy_ranks(network, SHAPE, kind="tucker", energy=0.9, names=["1", "2"], multiple=8)
    assert found["2"] == Factors("tucker", (8, 8))
    assert "1" not in found or min(found["1"].ranks) > 32
    way = DECOMPOSITIONS.get("tucker")()
    assert relative_error(way.decompose(network[2], (8, 8)), network[2]) <= 0.1


def test_bad_input_is_met_in_one_line(network):
    with pytest.raises(FactorizationError, match="layer '4' cannot be decomposed as svd"):
        uniform_ranks(network, SHAPE, kind="svd", share=0.5, names=["4"])
    with pytest.raises(UnknownNameError, match="'tail'"):
        uniform_ranks(network, SHAPE, kind="svd", share=0.5, names=["tail"])
    with pytest.raises(UnknownNameError, match="'svt'"):
        uniform_ranks(network, SHAPE, kind="svt", share=0.5)
