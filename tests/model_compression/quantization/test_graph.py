"""The torch form of a file computes what onnxruntime computes with it."""

import numpy as np
import pytest
import torch

from model_compression.errors import QuantizationError
from model_compression.quantization.graph import dequantized, read_network
from model_compression.quantization.lint import optimized_graph

NAMES = [
    "mobilenetv2_100",
    "efficientnet_lite0",
    "timm/resnet18",
    "mobilenetv3_small_100",
    "shufflenet_v2_x1_0",
    "ghostnet_100",
]


@pytest.mark.parametrize("name", NAMES)
def test_float_form_is_the_float_file(name, placed, run_onnx):
    files = placed(name)
    network = files.read()
    network.quantize_weights(False)
    network.quantize_activations(False)
    expected = run_onnx(files.float_path, files.images)
    with torch.no_grad():
        scores = network(torch.from_numpy(files.images)).numpy()
    assert np.abs(scores - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", NAMES)
def test_quantized_form_is_the_quantized_file(name, placed, onnx_values):
    """Each quantizer's result, from onnxruntime's own values before it.

    A sum in another order differs in the last bit, and then a value half-way between two steps falls to the other side;
    from end to end such steps grow in a network with random weights.
    """
    files = placed(name)
    network, image = files.read(), files.images[:1]
    quantized = {step.outputs[0]: step.quantizer for step in network.steps if step.operator == "Quantize"}
    expected = onnx_values(files.qdq_path, image, [name for name in quantized if name != network.output])
    expected = {name: torch.from_numpy(value) for name, value in expected.items()}
    expected[network.output] = expected.pop("logits")
    known, differing, count = {network.input: torch.from_numpy(image)}, 0, 0
    for value, key in quantized.items():
        with torch.no_grad():
            result = network.values([value], known)[value]
        steps = ((result - expected[value]) / network.quantizers[key].scale).abs().round()
        assert steps.max() <= 1, value
        differing, count = differing + int(steps.sum()), count + steps.numel()
        known[value] = expected[value]
    assert differing < 2e-4 * count


@pytest.mark.parametrize("name", NAMES)
def test_every_convolution_runs_in_int8(name, placed):
    files = placed(name)
    operators = [node.op_type for node in optimized_graph(files.qdq_path).graph.node]
    assert operators.count("QLinearConv") == sum(layer.kind == "conv" for layer in files.read().layers)
    assert not {"Conv", "FusedConv", "NhwcFusedConv"}.intersection(operators)


def test_layers_are_convolutions_and_linears_in_order(placed):
    network = placed("mobilenetv2_100").read()
    assert [layer.kind for layer in network.layers] == ["conv"] * 52 + ["linear"]
    first, depthwise, last = network.layers[0], network.layers[1], network.layers[-1]
    assert first.input == dequantized("input") and depthwise.input == first.result
    assert depthwise.groups == network.weights[depthwise.weight].shape[0] == 32
    assert last.result == network.output and last.channel_axis == 0
    for layer in network.layers:
        assert network.quantizers[layer.weight].scale.shape == network.weights[layer.bias].shape


def test_values_start_and_stop_anywhere(placed):
    files = placed("mobilenetv2_100")
    network = files.read()
    images = torch.from_numpy(files.images[:2])
    layer = network.layers[20]
    with torch.no_grad():
        found = network.values([layer.input, layer.output, network.output], {network.input: images})
        again = network.values([layer.output], {layer.input: found[layer.input]})
        rest = network.values([network.output], found | {layer.input: found[layer.input]})
    assert torch.equal(again[layer.output], found[layer.output])
    assert torch.equal(rest[network.output], found[network.output])
    with pytest.raises(QuantizationError, match="nowhere"):
        network.values(["nowhere"], {network.input: images})


def test_a_layer_alone_is_a_convolution_of_rounded_numbers(placed):
    """By hand: rounded weights and bias, from what a layer reads to what it computes."""
    files = placed("timm/resnet18")
    network = files.read()
    layer = network.layers[0]
    with torch.no_grad():
        found = network.values([layer.input, layer.output], {network.input: torch.from_numpy(files.images[:1])})
    weight, quantizer = network.weights[layer.weight].detach(), network.quantizers[layer.weight]
    scale = quantizer.scale.reshape(-1, 1, 1, 1)
    bias_scale = quantizer.scale * network.quantizers[network.quantizer_of(layer.input)].scale
    rounded = (weight / scale).round().clamp(quantizer.grid.qmin, quantizer.grid.qmax) * scale
    bias = (network.weights[layer.bias] / bias_scale).round() * bias_scale
    expected = torch.nn.functional.conv2d(found[layer.input], rounded, bias, stride=2, padding=3)
    assert torch.allclose(found[layer.output], expected, atol=1e-5)


def test_gradients_reach_weights_biases_and_scales(placed):
    files = placed("mobilenetv2_100")
    network = files.read()
    for quantizer in network.quantizers.values():
        quantizer.scale.requires_grad_(True)
    network(torch.from_numpy(files.images[:2])).square().sum().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not without


def test_files_that_do_not_belong_together_are_refused(placed):
    one, other = placed("mobilenetv2_100"), placed("timm/resnet18")
    with pytest.raises(QuantizationError, match="missing in the quantized file"):
        read_network(one.qdq_path, other.float_path)


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "empty.onnx"
    path.write_text("no model")
    with pytest.raises(QuantizationError, match=r"empty\.onnx is not a readable"):
        read_network(path, path)
