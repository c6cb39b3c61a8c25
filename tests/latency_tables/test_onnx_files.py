from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import zoo
from latency_tables import MeasurementError
from latency_tables.onnx_files import export_onnx, quantize_onnx

_KINDS = {
    "conv": {},
    "depthwise_separable": {"se_ratio": 0.25},
    "inverted_residual": {"act": "hard_swish"},
    "ghost": {"se_ratio": 0.25},
    "shuffle_v1": {"groups": 4},
    "shuffle_v2": {},
    "group_conv": {"group_width": 16},
    "fire": {"norm": True},
}


def _network(kind: str) -> nn.Module:
    block = zoo.BlockSpec(kind=kind, out_chans=64, stride=2, options=_KINDS[kind])
    stem = zoo.BlockSpec(kind="conv", out_chans=16)
    network = zoo.ArchSpec(resolution=16, blocks=(stem, block)).build(5, 1, seed=0)
    with torch.no_grad():  # untrained statistics would hide a wrong fold
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
    network.head.classifier.weight.data.normal_(0, 0.3)
    return network.eval()


def _run(path: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])


@pytest.mark.parametrize("kind", _KINDS)
def test_onnxruntime_computes_what_pytorch_computes(kind, tmp_path):
    network, images = _network(kind), torch.randn(4, 1, 16, 16)
    export_onnx(network, (1, 1, 16, 16), tmp_path / "net.onnx")
    expected = network(images).detach().numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(_run(tmp_path / "net.onnx", images.numpy()), expected, atol=1e-4)


@pytest.mark.parametrize("kind", _KINDS)
def test_int8_stays_near_float_and_is_unsigned_by_signed_per_channel(kind, tmp_path):
    network, images = _network(kind), torch.randn(16, 1, 16, 16)
    export_onnx(network, (1, 1, 16, 16), tmp_path / "net.onnx")
    quantize_onnx(tmp_path / "net.onnx", tmp_path / "int8.onnx", list(images.numpy()[:, None]))
    expected = network(images).detach().numpy()
    error = np.abs(_run(tmp_path / "int8.onnx", images.numpy()) - expected).max() / np.abs(expected).max()
    assert error < 0.2
    graph = onnx.load(tmp_path / "int8.onnx").graph
    tensors = {t.name: t for t in graph.initializer}
    weights = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in tensors]
    signed = [n for n in weights if tensors[n.input[0]].data_type == onnx.TensorProto.INT8]
    assert signed and all(len(tensors[n.input[1]].dims) == 1 for n in signed)
    activations = [n for n in graph.node if n.op_type == "QuantizeLinear"]
    assert all(tensors[n.input[2]].data_type == onnx.TensorProto.UINT8 for n in activations)
    # no half-written file stays behind
    assert sorted(p.name for p in tmp_path.iterdir()) == ["int8.onnx", "net.onnx"]


def test_an_operator_without_onnx_form_is_one_line_and_leaves_no_file(tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.eigvals(x.mean((0, 1)))

    with pytest.raises(MeasurementError, match="cannot be written as ONNX") as caught:
        export_onnx(Odd(), (1, 1, 4, 4), tmp_path / "odd.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_no_calibration_images_is_an_error(tmp_path):
    export_onnx(_network("conv"), (1, 1, 16, 16), tmp_path / "net.onnx")
    with pytest.raises(MeasurementError, match="calibrate"):
        quantize_onnx(tmp_path / "net.onnx", tmp_path / "int8.onnx", [])
