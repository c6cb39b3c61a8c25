"""What is written is what the network computes, tensor by tensor."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from model_compression.errors import QuantizationError
from model_compression.quantization.graph import read_network
from model_compression.quantization.write_back import write_network


def tensors_of(path):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("name", ["mobilenetv2_035", "shufflenet_v2_x1_0", "mobilenetv3_small_100"])
def test_an_unchanged_network_gives_the_same_file(name, placed, tmp_path):
    files = placed(name)
    write_network(files.read(), files.qdq_path, tmp_path / "again.onnx")
    before, after = tensors_of(files.qdq_path), tensors_of(tmp_path / "again.onnx")
    assert before.keys() == after.keys()
    for tensor, value in before.items():
        assert np.array_equal(value, after[tensor]), tensor


def test_changes_are_written_and_read_back(placed, run_onnx, tmp_path):
    files, generator = placed("efficientnet_lite0"), torch.Generator().manual_seed(0)
    network, path = files.read(), tmp_path / "changed.onnx"
    with torch.no_grad():
        for quantizer in network.quantizers.values():
            quantizer.scale *= torch.empty_like(quantizer.scale).uniform_(0.9, 1.1, generator=generator)
        for weight in network.weights.values():
            weight += 0.02 * weight.std() * torch.randn(weight.shape, generator=generator) if weight.numel() > 1 else 0
    write_network(network, files.qdq_path, path)
    read = read_network(path, files.float_path)
    written = tensors_of(path)
    for key, quantizer in network.quantizers.items():
        assert torch.equal(quantizer.scale, read.quantizers[key].scale), key
        assert torch.equal(quantizer.zero_point, read.quantizers[key].zero_point), key
    for layer in network.layers:
        quantized = network.constant(layer.weight).detach().numpy()
        integers = next(written[n] for n in written if n.replace(".", "/") == f"{layer.weight}_quantized")
        scale = network.quantizers[layer.weight].scale.reshape([-1] + [1] * (quantized.ndim - 1)).detach().numpy()
        assert np.allclose(integers * scale, quantized, rtol=1e-6, atol=0), layer.name
    with torch.no_grad():
        scores = network(torch.from_numpy(files.images)).numpy()
    error = np.abs(scores - run_onnx(path, files.images)).mean()
    assert error < 0.05 * scores.std()


def test_a_learned_rounding_is_what_is_written(placed, tmp_path):
    class Down(torch.nn.Module):
        def forward(self, steps):
            return steps.floor()

    files = placed("mobilenetv2_050")
    network = files.read()
    layer = network.layers[3]
    network.quantizers[layer.weight].rounding = Down()
    write_network(network, files.qdq_path, tmp_path / "down.onnx")
    scale = network.quantizers[layer.weight].scale.detach().numpy().reshape(-1, 1, 1, 1)
    steps = network.weights[layer.weight].detach().numpy() * (1 / scale)
    grid = network.quantizers[layer.weight].grid
    written = tensors_of(tmp_path / "down.onnx")
    integers = next(written[n] for n in written if n.replace(".", "/") == f"{layer.weight}_quantized")
    assert np.array_equal(integers, np.clip(np.floor(steps), grid.qmin, grid.qmax))


def test_scales_that_went_wrong_are_named(placed, tmp_path):
    files = placed("mobilenetv2_050")
    network = files.read()
    key = network.quantizer_of(network.input)
    network.quantizers[key].scale.data.fill_(-1)
    with pytest.raises(QuantizationError, match="input_scale"):
        write_network(network, files.qdq_path, tmp_path / "wrong.onnx")
    assert not (tmp_path / "wrong.onnx").exists()


def test_weights_that_went_wrong_are_named(placed, tmp_path):
    files = placed("mobilenetv2_050")
    network = files.read()
    network.weights[network.layers[2].weight].data[0] = float("nan")
    with pytest.raises(QuantizationError, match=network.layers[2].weight.split("/")[0]):
        write_network(network, files.qdq_path, tmp_path / "wrong.onnx")


def test_the_file_of_another_network_is_refused(placed, tmp_path):
    network = placed("mobilenetv2_050").read()
    with pytest.raises(QuantizationError, match="another"):
        write_network(network, placed("mobilenetv2_035").qdq_path, tmp_path / "wrong.onnx")
