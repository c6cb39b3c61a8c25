"""What the batch norms say of the means is what very many images show."""

import math

import pytest
import torch
from torch import nn

from model_compression.errors import QuantizationError
from model_compression.quantization.analytic_bias_correction import clipped_normal_mean, correct_biases_analytically
from model_compression.quantization.calibration import floating

_SHAPE = (1, 2, 9, 9)


def _norm(conv: nn.Conv2d, generator: torch.Generator) -> nn.BatchNorm2d:
    """Return a batch norm whose statistics are the true ones of `conv` on independent standard normal values."""
    norm = nn.BatchNorm2d(conv.out_channels)
    with torch.no_grad():
        norm.running_mean.copy_(conv.bias)
        norm.running_var.copy_(conv.weight.square().flatten(1).sum(1))
        norm.weight.uniform_(-1.5, 1.5, generator=generator)
        norm.bias.uniform_(-1, 4, generator=generator)
    return norm


class Branches(nn.Module):
    """Two convolutions of the images with their batch norms; one is clipped and read, then both are added and read."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        self.left, self.right = nn.Conv2d(2, 8, 3), nn.Conv2d(2, 8, 3)
        self.left_norm, self.right_norm = _norm(self.left, generator), _norm(self.right, generator)
        self.act, self.grouped, self.mixed = nn.ReLU6(), nn.Conv2d(8, 8, 1, groups=2), nn.Conv2d(8, 8, 1)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))

    def forward(self, images):
        left, right = self.left_norm(self.left(images)), self.right_norm(self.right(images))
        return self.head(torch.cat([self.grouped(self.act(left)), self.mixed(left + right)], 1))


@pytest.mark.parametrize("bounds", [(0, math.inf), (0, 6), (-1, 1), (-math.inf, math.inf)])
def test_the_mean_of_clipped_values_is_that_of_a_million(bounds):
    mean, std = torch.tensor([-3.0, 0, 0.5, 5, 6, 2, -2]), torch.tensor([0.5, 1, 3, 1, 2, 1e-6, 0])
    drawn = mean + std * torch.randn(1_000_000, len(mean), generator=torch.Generator().manual_seed(0))
    error = (clipped_normal_mean(mean, std, *bounds) - drawn.clamp(*bounds).double().mean(0)).abs()
    assert (error < 5e-3 * std.clamp(min=1e-3)).all()


def test_each_bias_gives_back_what_rounding_shifts_on_many_images(quantize):
    module = Branches()
    network, _ = quantize(module, _SHAPE, bits=3)
    before = {layer.name: network.weights[layer.bias].detach().clone() for layer in network.layers}
    shifts = correct_biases_analytically(network, module, _SHAPE)
    assert set(shifts) == {"/grouped/Conv", "/mixed/Conv"}
    images = torch.randn(2000, *_SHAPE[1:], generator=torch.Generator().manual_seed(1))
    for layer in network.layers:
        moved = before[layer.name] - network.weights[layer.bias].detach()
        if layer.name not in shifts:
            assert not moved.any()
            continue
        with floating(network), torch.no_grad():
            read = network.values([layer.input], {network.input: images})[layer.input]
        weight = network.weights[layer.weight].detach()
        error = network.quantizer(layer.weight)(weight).detach() - weight
        found = nn.functional.conv2d(read, error, groups=layer.groups).mean((0, 2, 3))
        assert found.abs().max() > 0.05  # or there were nothing to correct
        assert torch.allclose(moved, found, atol=0.02 * float(found.abs().max())), layer.name
        assert shifts[layer.name] == pytest.approx(float(moved.abs().max()), rel=1e-5)


def test_a_network_without_batch_norms_is_refused(quantize, small_module):
    network, _ = quantize(small_module, (1, 1, 12, 12))
    with pytest.raises(QuantizationError, match="needs batch norms"):
        correct_biases_analytically(network, small_module, (1, 1, 12, 12))
