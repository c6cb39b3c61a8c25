"""Fake quantizers: torch's own operators and LSQ's formula are the references."""

import pytest
import torch

from model_compression.quantization.affine import Grid, choose_params
from model_compression.quantization.quantizer import FakeQuantizer

WEIGHTS = Grid(bits=4, signed=True, symmetric=True, narrow=True)


def test_both_ways_to_compute_agree():
    torch.manual_seed(0)
    values = 3 * torch.randn(5, 100)
    for params in (choose_params(-1.0, 4.0, Grid()), choose_params(-torch.ones(5), torch.ones(5), WEIGHTS)):
        quantizer = FakeQuantizer(params)
        fused = quantizer(values)
        quantizer.scale.requires_grad_(True)
        assert torch.allclose(quantizer(values), fused, atol=1e-6)


def test_gradient_of_values_is_straight_through():
    values = torch.tensor([-9.0, -0.4, 0.3, 9.0], requires_grad=True)
    quantizer = FakeQuantizer(choose_params(-1.0, 1.0, WEIGHTS))
    for learned in (False, True):
        quantizer.scale.requires_grad_(learned)
        values.grad = None
        quantizer(values).sum().backward()
        assert values.grad.tolist() == pytest.approx([0, 1, 1, 0])


def test_gradient_of_the_scale_is_that_of_lsq():
    """arXiv:1902.08153, equation 3: bounds outside, round(v/s) - v/s inside."""
    values = torch.tensor([-9.0, -0.4, 0.3, 0.05, 9.0])
    quantizer = FakeQuantizer(choose_params(-1.0, 1.0, WEIGHTS))
    quantizer.scale.requires_grad_(True)
    steps = values / quantizer.scale.detach()
    expected = torch.where(steps.abs() < 7, steps.round() - steps, 7 * steps.sign())
    for position, value in enumerate(values):
        quantizer.scale.grad = None
        quantizer(value[None]).sum().backward()
        assert quantizer.scale.grad.item() == pytest.approx(expected[position].item(), abs=1e-5)


def test_range_is_set_in_place_for_other_bits():
    quantizer = FakeQuantizer(choose_params(-1.0, 1.0, Grid()))
    scale = quantizer.scale
    quantizer.grid = WEIGHTS
    quantizer.set_range(-0.7, 0.7)
    assert quantizer.scale is scale and scale.item() == pytest.approx(0.1)
    assert quantizer.params().grid == WEIGHTS and quantizer.zero_point.item() == 0


def test_disabled_lets_pass_and_rounding_replaces_the_nearest():
    values = torch.tensor([0.19, -0.19])
    quantizer = FakeQuantizer(choose_params(-0.7, 0.7, WEIGHTS))
    assert quantizer(values).tolist() == pytest.approx([0.2, -0.2])
    quantizer.rounding = torch.nn.Hardtanh(-1, 1)
    assert quantizer(values).tolist() == pytest.approx([0.1, -0.1])
    quantizer.enabled = False
    assert torch.equal(quantizer(values), values)


def test_the_quick_way_without_gradient_gives_the_same_numbers():
    torch.manual_seed(0)
    values = 3 * torch.randn(7, 1000)
    for params in (choose_params(-1.0, 4.0, Grid()), choose_params(-torch.ones(7), torch.ones(7), WEIGHTS)):
        quantizer = FakeQuantizer(params)
        assert torch.equal(quantizer(values), quantizer(values.clone().requires_grad_()).detach())
