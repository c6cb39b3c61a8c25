"""Quantizers stand where onnxruntime puts them, on the bits that were asked for."""

import numpy as np
import onnx
import pytest
import torch

from model_compression.errors import QuantizationError
from model_compression.quantization.placement import PlacementOptions, place, set_weight_range


def test_excluded_layers_stay_float(placed, run_onnx, tmp_path):
    files = placed("mobilenetv2_035")
    name = files.read().layers[4].name
    path = tmp_path / "mixed.onnx"
    network = place(files.float_path, path, list(files.images[:4, None]), PlacementOptions(excluded=(name,)))
    excluded = next(layer for layer in network.layers if layer.name == name)
    assert excluded.weight not in network.quantizers and len(network.layers) == 53
    with torch.no_grad():
        scores = network(torch.from_numpy(files.images)).numpy()
    assert np.abs(scores - run_onnx(path, files.images)).mean() < 0.05 * scores.std()


def test_a_node_that_is_not_there_cannot_be_excluded(placed, tmp_path):
    files = placed("timm/resnet18")
    with pytest.raises(QuantizationError, match="'conv9'"):
        place(
            files.float_path, tmp_path / "q.onnx", list(files.images[:1, None]), PlacementOptions(excluded=("conv9",))
        )


@pytest.mark.parametrize("bits", [4, 7, 8])
def test_weights_have_the_bits_asked_for(bits, placed, tmp_path):
    files = placed("timm/resnet18")
    path = tmp_path / "placed.onnx"
    place(files.float_path, path, list(files.images[:2, None]), PlacementOptions(weight_bits=bits))
    integers = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    largest = [abs(value.astype(int)).max() for value in integers.values() if value.dtype == np.int8 and value.ndim > 1]
    assert set(largest) == {2 ** (bits - 1) - 1}


def test_a_bias_that_int32_does_not_hold_widens_the_weights(placed):
    network = placed("timm/resnet18").read()
    layer = network.layers[0]
    channels = len(network.weights[layer.bias])
    with torch.no_grad():
        network.weights[layer.bias].fill_(1.0)
    set_weight_range(network, layer, torch.full((channels,), -1e-12), torch.full((channels,), 1e-12))
    scale = network.quantizers[layer.weight].scale * network.quantizers["input_scale"].scale
    assert ((1 / scale.double()) < 2**31).all() and ((1 / scale.double()) > 0.9 * 2**31).all()
