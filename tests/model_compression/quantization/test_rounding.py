import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_compression.quantization.rounding import AdaQuant, AdaRound, beta_at, undecided

_VALUES = hnp.arrays("float32", 12, elements=st.floats(-7, 7, width=32))


@given(_VALUES)
def test_adaround_starts_where_the_weights_are(values):
    values = torch.from_numpy(values)
    torch.testing.assert_close(AdaRound(values, -7, 7)(), values, atol=2e-6, rtol=1e-6)


@given(_VALUES, st.integers(0, 2**31))
def test_adaround_ends_at_one_of_the_two_neighbours_inside_the_grid(values, seed):
    values = torch.from_numpy(values)
    rounding = AdaRound(values, -7, 7)
    with torch.no_grad():
        rounding.logits.normal_(std=5, generator=torch.Generator().manual_seed(seed))
    soft = rounding()
    assert ((soft >= -7) & (soft <= 7)).all()
    rounding.hard = True
    hard = rounding()
    assert torch.equal(hard, hard.round()) and ((hard >= -7) & (hard <= 7)).all()
    assert ((hard - values).abs() <= 1).all()


@given(hnp.arrays("float64", 6, elements=st.floats(0.01, 0.99)), st.floats(2, 20))
def test_the_penalty_and_its_gradient_are_those_of_equation_24(up, beta):
    ours, theirs = (torch.tensor(up, requires_grad=True) for _ in range(2))
    value = undecided(ours, beta)
    expected = (1 - (2 * theirs - 1).abs().pow(beta)).mean()
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_penalty_is_zero_where_all_is_decided():
    assert undecided(torch.tensor([0.0, 1.0, 1.0]), 7.3) == 0
    assert undecided(torch.tensor([0.5]), 7.3) == 1


def test_adaround_decides_and_ends_among_the_best_of_all_roundings():
    """Against brute force over the 256 roundings of one output channel."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(8, generator=generator) * 2
    mixing = torch.randn(8, 8, generator=generator)
    inputs = torch.randn(512, 8, generator=generator) @ mixing + 0.5

    def error(rounded):
        return ((inputs @ rounded - inputs @ weight) ** 2).mean()

    roundings = [weight.floor() + torch.tensor(ups) for ups in itertools.product((0.0, 1.0), repeat=8)]
    errors = sorted(float(error(rounded)) for rounded in roundings)
    rounding = AdaRound(weight)
    optimizer = torch.optim.Adam(rounding.parameters(), lr=0.02)
    for iteration in range(1500):
        beta = beta_at(iteration / 1500)
        loss = error(rounding()) / error(weight.round())
        if beta:
            loss = loss + 10 * undecided(rounding.up(), beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ((rounding.up() < 0.01) | (rounding.up() > 0.99)).all()
    assert float(error(rounding().round())) <= errors[4] < float(error(weight.round()))


def test_adaquant_moves_weights_further_than_a_step_and_passes_gradients_through():
    values = torch.tensor([0.2, 1.4, -2.6])
    rounding = AdaQuant(values)
    assert torch.equal(rounding(values), values.round())
    with torch.no_grad():
        rounding.shift.copy_(torch.tensor([2.0, 0.2, -0.1]))
    assert rounding(values).tolist() == [2, 2, -3]
    (rounding(values) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert rounding.shift.grad.tolist() == [1, 2, 3]


def test_the_exponent_falls_after_the_warm_up():
    assert beta_at(0.19) is None
    assert beta_at(0.2) == 20 and beta_at(1.0) == pytest.approx(2)
    betas = [beta_at(0.2 + 0.08 * i) for i in range(11)]
    assert betas == sorted(betas, reverse=True)
