import math

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from latency_tables.onnx_files import export_onnx
from model_compression.errors import QuantizationError
from model_compression.export.onnx import calibration_batches
from model_compression.quantization.affine import Grid, choose_params
from model_compression.quantization.affine import quantize as to_integers
from model_compression.quantization.placement import PlacementOptions, place
from model_compression.quantization.qat import QatConfig, lsq_gradients, lsq_scale, train_quantized
from model_compression.quantization.quantizer import FakeQuantizer
from model_compression.quantization.write_back import write_network
from zoo.training import TrainConfig, accuracy, train


class _One(torch.nn.Module):
    """What lsq_gradients reads of a network: one quantizer of weights or of activations."""

    def __init__(self, quantizer, layers):
        super().__init__()
        self.quantizers, self.layers = torch.nn.ModuleDict({"q": quantizer}), layers


class _Layer:
    weight = "q"


def _gradient_by_hand(values, scale, grid):
    """arXiv:1902.08153, equation 3, summed over the values with an incoming gradient of 1."""
    total = 0.0
    for value in values.flatten().tolist():
        steps = value / scale
        if steps <= grid.qmin:
            total += grid.qmin
        elif steps >= grid.qmax:
            total += grid.qmax
        else:
            total += round(steps) - steps
    return total


@pytest.mark.parametrize("layers", [[_Layer()], []], ids=["weights", "activations"])
def test_the_gradient_of_a_scale_is_that_of_the_paper(layers):
    grid = Grid(bits=4, signed=True, symmetric=True, narrow=True)
    values = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    quantizer = FakeQuantizer(choose_params(-1.5, 1.5, grid))
    quantizer.scale.requires_grad_(True)
    with lsq_gradients(_One(quantizer, layers)):
        quantizer(values).sum().backward()
    count = values.numel() if layers else values[0].numel()  # section 2.2: weights, or features of one image
    expected = _gradient_by_hand(values, float(quantizer.scale.detach()), grid) / math.sqrt(count * grid.qmax)
    assert float(quantizer.scale.grad) == pytest.approx(expected, rel=1e-4)
    quantizer.scale.grad = None
    quantizer(values).sum().backward()  # the factor is gone with the context
    assert float(quantizer.scale.grad) == pytest.approx(expected * math.sqrt(count * grid.qmax), rel=1e-4)


def test_each_channel_has_its_own_gradient():
    grid = Grid(bits=4, signed=True, symmetric=True, narrow=True)
    weight = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    quantizer = FakeQuantizer(choose_params(-torch.ones(3), torch.ones(3), grid, axis=0))
    quantizer.scale.requires_grad_(True)
    with lsq_gradients(_One(quantizer, [_Layer()])):
        quantizer(weight).sum().backward()
    for channel in range(3):
        expected = _gradient_by_hand(weight[channel], float(quantizer.scale[channel].detach()), grid) / math.sqrt(
            18 * 7
        )
        assert float(quantizer.scale.grad[channel]) == pytest.approx(expected, rel=1e-4)


def test_the_first_scale_is_the_papers():
    values = torch.tensor([[1.0, -3.0], [0.5, 0.5]])
    grid = Grid(bits=4, signed=True, symmetric=True, narrow=True)
    assert float(lsq_scale(values, grid)) == pytest.approx(2 * 1.25 / math.sqrt(7))
    assert lsq_scale(values, grid, axis=0).tolist() == pytest.approx([4 / math.sqrt(7), 1 / math.sqrt(7)])
    assert lsq_scale(torch.zeros(2, 3), grid, axis=0).tolist() == [1, 1]  # a channel of zeros has no range


class _Digits(torch.nn.Module):
    """Two strided convolutions and a separable one with a residual connection, with batch norm."""

    def __init__(self):
        super().__init__()

        def conv(*args, **settings):
            return [torch.nn.Conv2d(*args, bias=False, **settings), torch.nn.BatchNorm2d(args[1])]

        relu6 = torch.nn.ReLU6
        self.stem = torch.nn.Sequential(*conv(1, 16, 3, 2, padding=1), relu6(), *conv(16, 32, 3, 2, padding=1), relu6())
        self.block = torch.nn.Sequential(*conv(32, 32, 3, padding=1, groups=32), relu6(), *conv(32, 32, 1))
        self.head = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 10))

    def forward(self, images):
        images = self.stem(images)
        return self.head(images + self.block(images))


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """A float file of a small network that knows the digits."""
    torch.manual_seed(0)
    network = _Digits()
    train(network, digits, TrainConfig(epochs=6), resolution=16)
    assert accuracy(network, digits.val, digits, 16) > 0.85
    path = tmp_path_factory.mktemp("qat") / "float.onnx"
    export_onnx(network, (1, 1, 16, 16), path)
    return path


@pytest.mark.parametrize("scales", ["learned", "lsq", "fixed"])
def test_training_recovers_what_two_bits_lost_and_the_file_holds_it(scales, trained, digits, tmp_path):
    path = tmp_path / "int.onnx"
    quantized = place(trained, path, calibration_batches(digits, 16), PlacementOptions(weight_bits=2))
    before = accuracy(quantized, digits.val, digits, 16)
    history = train_quantized(quantized, digits, QatConfig(epochs=3, lr=4e-3, scales=scales), resolution=16)
    after = accuracy(quantized, digits.val, digits, 16)
    assert history[-1].loss < history[0].loss
    assert after > max(before + 0.1, 0.7)
    assert not any(p.requires_grad for p in quantized.parameters())
    write_network(quantized, path, tmp_path / "trained.onnx")
    model = onnx.load(tmp_path / "trained.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for layer in quantized.layers:
        expected = to_integers(quantized.weights[layer.weight].detach(), quantized.quantizers[layer.weight].params())
        name = next(n for n in tensors if n.removesuffix("_quantized").replace(".", "/") == layer.weight)
        assert np.array_equal(tensors[name].reshape(expected.shape), expected.numpy()) and expected.abs().max() <= 1
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    onnxruntime.InferenceSession(str(tmp_path / "trained.onnx"), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node]
    convolutions = sum(layer.kind == "conv" for layer in quantized.layers)
    assert operators.count("QLinearConv") == convolutions and "Conv" not in operators


def test_the_teacher_is_the_network_before_training_and_equal_arguments_give_equal_weights(trained, digits, tmp_path):
    results = []
    for _ in range(2):
        quantized = place(
            trained, tmp_path / "int.onnx", calibration_batches(digits, 16), PlacementOptions(weight_bits=8)
        )
        train_quantized(quantized, digits, QatConfig(epochs=1, optimizer="sgd", lr=1e-3), resolution=16)
        results.append({key: weight.detach() for key, weight in quantized.weights.items()})
    for key, weight in results[0].items():
        assert torch.equal(weight, results[1][key])


def test_unknown_settings_are_refused():
    with pytest.raises(QuantizationError, match="adamw and sgd"):
        QatConfig(optimizer="adam")
