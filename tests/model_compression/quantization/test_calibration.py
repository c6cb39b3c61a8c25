"""Ranges of whole networks: onnxruntime's calibrater and hand-made hooks are the references."""

import pytest
import torch

from model_compression.errors import QuantizationError
from model_compression.quantization.calibration import (
    activation_ranges,
    calibrate,
    floating,
    set_activation_ranges,
    weight_ranges,
)
from model_compression.quantization.placement import set_weight_bits, set_weight_range
from model_compression.quantization.ranges import RANGES


@pytest.mark.parametrize("name", ["mobilenetv2_035", "shufflenet_v2_x1_0"])
def test_min_max_is_what_onnxruntime_found(name, placed):
    """The file was placed with the same four images; quantizers that serve several values see all of them."""
    files = placed(name)
    network, fresh = files.read(), files.read()
    for quantizer in fresh.activation_quantizers().values():
        quantizer.scale.data.fill_(1)
    images = torch.from_numpy(files.images[:4])
    set_activation_ranges(fresh, activation_ranges(fresh, images.split(2))["min-max"])
    for key, quantizer in network.activation_quantizers().items():
        found = fresh.quantizers[key]
        assert found.scale.item() == pytest.approx(quantizer.scale.item(), rel=1e-3), key
        assert abs(int(found.zero_point) - int(quantizer.zero_point)) <= 1, key


def test_one_pass_serves_all_methods(placed):
    files = placed("mobilenetv2_035")
    network = files.read()
    passes = []
    network.register_forward_pre_hook(lambda *_: passes.append(1))
    ranges = activation_ranges(network, torch.from_numpy(files.images).split(4), sorted(RANGES))
    assert len(passes) == 2
    assert set(ranges) == set(RANGES)
    for key, (low, high) in ranges["min-max"].items():
        for method in RANGES:
            assert low - 1e-6 <= ranges[method][key][0] <= ranges[method][key][1] <= high + 1e-6, (method, key)


def test_quantizers_are_switched_back(placed):
    network = placed("mobilenetv2_035").read()
    network.quantize_weights(False)
    with floating(network):
        assert not any(quantizer.enabled for quantizer in network.quantizers.values())
    states = {key: quantizer.enabled for key, quantizer in network.quantizers.items()}
    assert all(enabled == (key not in network.weights) for key, enabled in states.items())


def test_weights_of_least_squared_error(placed):
    """With 4 bits a clipped range is better than the whole one, in every layer."""
    files = placed("mobilenetv2_035")
    network = files.read()
    set_weight_bits(network, 4)
    layers = network.layers[:8]
    before = [(network.constant(layer.weight) - network.weights[layer.weight]).square().sum() for layer in layers]
    found = weight_ranges(network, "mse")
    for layer in layers:
        set_weight_range(network, layer, *found[layer.weight])
    after = [(network.constant(layer.weight) - network.weights[layer.weight]).square().sum() for layer in layers]
    assert all(a <= b for a, b in zip(after, before, strict=True)) and sum(after) < 0.95 * sum(before)


def test_calibration_needs_images_and_finite_values(placed):
    files = placed("mobilenetv2_035")
    network = files.read()
    with pytest.raises(QuantizationError, match="no calibration data"):
        calibrate(network, [])
    with pytest.raises(QuantizationError, match="input_scale: activations hold NaN"):
        calibrate(network, [torch.full((1, 3, 32, 32), float("nan"))])
