import copy
import math

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from scipy.special import log_softmax

import zoo
from latency_tables.onnx_files import export_onnx
from model_compression.errors import QuantizationError
from model_compression.quantization.placement import place, set_weight_bits
from model_compression.quantization.sensitivity import measure_gains, sensitivities

_SHAPE = (1, 3, 32, 32)


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    """A network with a residual, its two files, and images."""
    folder = tmp_path_factory.mktemp("sensitivity")
    module = zoo.deploy(zoo.get_spec("mobilenetv2_035").at_resolution(32).build(10, 3, seed=0).eval())
    images = torch.randn(6, *_SHAPE[1:], generator=torch.Generator().manual_seed(0))
    float_path, qdq_path = folder / "float.onnx", folder / "int8.onnx"
    export_onnx(module, _SHAPE, float_path)
    return place(float_path, qdq_path, list(images[:, None].numpy())), float_path, qdq_path, images


@pytest.mark.parametrize("number", [0, 9, 20, -1])
def test_a_layer_alone_loses_what_onnxruntime_loses_by_it(placed, tmp_path, number):
    network, float_path, qdq_path, images = placed
    found = sensitivities(network, images)
    assert [s.layer for s in found] == [layer.name for layer in network.layers]
    path = tmp_path / "one.onnx"
    onnx.save(_one_layer_quantized(float_path, qdq_path, found[number].layer), path)
    p, q = (log_softmax(_scores(file, images).astype(np.float64), axis=1) for file in (float_path, path))
    expected = float((np.exp(p) * (p - q)).sum(1).mean())
    assert found[number].divergence == pytest.approx(expected, rel=0.05, abs=1e-7)


def _one_layer_quantized(float_path, qdq_path, name):
    """Return the float file with one layer's weights, and the value that it reads, as they are in the other file."""
    model, quantized = onnx.load(float_path), onnx.load(qdq_path)
    numbers = {tensor.name: tensor for tensor in quantized.graph.initializer}
    layer = next(node for node in model.graph.node if node.name == name)
    value, weight = layer.input[:2]
    integers, scale = (onnx.numpy_helper.to_array(numbers[weight + end]) for end in ("_quantized", "_scale"))
    dense = integers * scale.reshape(-1, *[1] * (integers.ndim - 1))
    for tensor in model.graph.initializer:
        if tensor.name == weight:
            tensor.CopyFrom(onnx.numpy_helper.from_array(dense.astype(np.float32), weight))
    for node in model.graph.node:
        for index, name_read in enumerate(node.input):
            if name_read == value:
                node.input[index] = "rough"
    grid = [value + "_scale", value + "_zero_point"]
    model.graph.initializer.extend(numbers[one] for one in grid)
    position = next((i + 1 for i, node in enumerate(model.graph.node) if value in node.output), 0)
    model.graph.node.insert(position, onnx.helper.make_node("QuantizeLinear", [value, *grid], ["steps"]))
    model.graph.node.insert(position + 1, onnx.helper.make_node("DequantizeLinear", ["steps", *grid], ["rough"]))
    return model


def test_quantizers_are_left_as_they_were(placed):
    network, _, _, images = placed
    before = network(images)
    sensitivities(network, images)
    assert torch.equal(network(images), before)


def test_accuracy_is_against_the_labels_given(placed):
    network, _, _, images = placed
    network.quantize_weights(False), network.quantize_activations(False)
    labels = network(images).argmax(1)
    network.quantize_weights(True), network.quantize_activations(True)
    assert all(0 <= s.accuracy_drop <= 1 for s in sensitivities(network, images, labels))
    assert all(-1 <= s.accuracy_drop <= 0 for s in sensitivities(network, images, (labels + 1) % 10))
    assert all(math.isnan(s.accuracy_drop) for s in sensitivities(network, images))


def test_batches_make_no_difference(placed):
    network, _, _, images = placed
    whole, parts = sensitivities(network, images), sensitivities(network, images, batch_size=4)
    for one, other in zip(whole, parts, strict=True):
        assert one.divergence == pytest.approx(other.divergence, rel=1e-3, abs=1e-7)


def test_weights_and_activations_alone_know_nothing_of_each_other(placed):
    network, _, _, images = placed

    def damage(work, part):
        return torch.tensor([s.divergence for s in sensitivities(work, images, part=part)])

    few_bits, wide = copy.deepcopy(network), copy.deepcopy(network)
    set_weight_bits(few_bits, 2)
    for quantizer in wide.activation_quantizers().values():
        quantizer.scale.data.mul_(8)
    assert torch.equal(damage(few_bits, "activations"), damage(network, "activations"))
    assert damage(few_bits, "weights").sum() > 10 * damage(network, "weights").sum()
    assert torch.equal(damage(wide, "weights"), damage(network, "weights"))
    assert damage(wide, "activations").sum() > 2 * damage(network, "activations").sum()


def test_gains_are_of_every_layer(placed):
    network, float_path, qdq_path, _ = placed
    gains = measure_gains(network, float_path, qdq_path)
    assert set(gains) == {layer.name for layer in network.layers}
    assert any(gains.values()) and all(abs(gain) < 10 for gain in gains.values())


def test_what_has_no_sensitivity_is_one_line(placed):
    network, _, _, images = placed
    with pytest.raises(QuantizationError, match="no images"):
        sensitivities(network, images[:0])
    with pytest.raises(QuantizationError, match="NaN or infinite scores"):
        sensitivities(network, images * math.nan)


def _scores(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": image[None].numpy()})[0] for image in images])
