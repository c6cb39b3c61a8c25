"""After correction the channels have the float network's means."""

import pytest
import torch

from model_compression.errors import QuantizationError
from model_compression.quantization.bias_correction import channel_means, correct_biases
from model_compression.quantization.calibration import floating
from model_compression.quantization.placement import set_weight_bits


def test_means_are_the_float_ones_afterwards(placed):
    files = placed("mobilenetv2_035")
    network, images = files.read(), torch.from_numpy(files.images)
    set_weight_bits(network, 4)
    with floating(network):
        wanted = channel_means(network, images)
    before = channel_means(network, images)
    shifts = correct_biases(network, images)
    after = channel_means(network, images)
    assert list(shifts) == [layer.name for layer in network.layers]
    for layer in network.layers:
        error = (after[layer.name] - wanted[layer.name]).abs().max()
        # the corrected bias is itself rounded, and that is all that may be left
        step = network.quantizers[layer.weight].scale * network.quantizers[network.quantizer_of(layer.input)].scale
        assert error < max(1e-3, 0.51 * step.max()), layer.name
    first = network.layers[0].name
    assert shifts[first] == pytest.approx((before[first] - wanted[first]).abs().max().item(), rel=1e-3)


def test_means_are_those_of_a_hand_made_convolution(placed):
    files = placed("timm/resnet18")
    network, images = files.read(), torch.from_numpy(files.images)
    layer = network.layers[0]
    with floating(network):
        means = channel_means(network, images)[layer.name]
    expected = torch.nn.functional.conv2d(
        images, network.weights[layer.weight], network.weights[layer.bias], stride=2, padding=3
    )
    assert torch.allclose(means, expected.mean(dim=(0, 2, 3)), atol=1e-5)


def test_images_are_needed(placed):
    with pytest.raises(QuantizationError, match="needs images"):
        correct_biases(placed("timm/resnet18").read(), torch.zeros(0, 3, 32, 32))
