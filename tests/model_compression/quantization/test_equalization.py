import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import zoo
from latency_tables.onnx_files import export_onnx
from model_compression.errors import QuantizationError
from model_compression.quantization.equalization import absorb_biases, equalize, smooth

_SHAPE = (1, 3, 24, 24)


class _Chain(nn.Module):
    """A convolution, a depthwise one and a pointwise one, with the channel ranges of real networks: far apart."""

    def __init__(self, act=nn.ReLU, bias=0.0, padding=1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), act(),
            nn.Conv2d(12, 12, 3, padding=padding, groups=12), act(),
            nn.Conv2d(12, 8, 1), act(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        )  # fmt: skip
        with torch.no_grad():
            for index in (0, 2, 4):
                conv = self.layers[index]
                conv.weight.mul_(torch.logspace(-1, 1, len(conv.weight)).view(-1, 1, 1, 1))
                conv.bias.add_(bias)

    def forward(self, images):
        return self.layers(images)


def _export(network, path):
    torch.manual_seed(0)
    export_onnx(network.eval(), _SHAPE, path)
    return path


def _images(count=8, seed=0):
    return list(np.random.default_rng(seed).standard_normal((count, *_SHAPE)).astype(np.float32))


def _run(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": image})[0] for image in images])


def _weights(path):
    graph = onnx.load(path).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return [tensors[node.input[1]] for node in graph.node if node.op_type in ("Conv", "Gemm")]


def _assert_same_function(before, after, images):
    expected = _run(before, images)
    assert np.abs(_run(after, images) - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


def test_channels_between_two_layers_get_equal_ranges_and_the_function_stays(tmp_path):
    torch.manual_seed(0)
    before, after = _export(_Chain(), tmp_path / "float.onnx"), tmp_path / "equal.onnx"
    found = equalize(before, after)
    _assert_same_function(before, after, _images())
    assert len(found) == 3 and all(pair.spread_before > 50 for pair in found)
    first, depthwise, last, linear = _weights(after)
    written = [np.abs(w).reshape(len(w), -1).max(1) for w in (first, depthwise, last)]
    read = [written[1], np.abs(last).max((0, 2, 3)), np.abs(linear).max(0)]
    for one, other in zip(written, read, strict=True):
        np.testing.assert_allclose(one, other, rtol=0.01)  # arXiv:1906.04721, the fixed point of equation 11


def test_a_single_pair_gets_the_papers_scales_at_once(tmp_path):
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1))
    before, after = _export(network, tmp_path / "float.onnx"), tmp_path / "equal.onnx"
    equalize(before, after)
    w1, w2 = (network[i].weight.detach().numpy() for i in (0, 2))
    r1, r2 = np.abs(w1).max((1, 2, 3)), np.abs(w2).max((0, 2, 3))
    scale = np.sqrt(r1 * r2) / r2
    new1, new2 = _weights(after)
    np.testing.assert_allclose(new1, w1 / scale[:, None, None, None], rtol=1e-5)
    np.testing.assert_allclose(new2, w2 * scale[None, :, None, None], rtol=1e-5)


def test_without_images_nothing_moves_across_a_relu6(tmp_path):
    before, after = _export(_Chain(act=nn.ReLU6), tmp_path / "float.onnx"), tmp_path / "equal.onnx"
    assert equalize(before, after) == []
    for one, other in zip(_weights(before), _weights(after), strict=True):
        assert np.array_equal(one, other)


def test_with_images_only_channels_that_stay_below_the_bound_of_relu6_move(tmp_path):
    torch.manual_seed(2)
    network = _Chain(act=nn.ReLU6)
    before, after = _export(network, tmp_path / "float.onnx"), tmp_path / "equal.onnx"
    images = _images(16)
    assert len(equalize(before, after, calibration=images)) == 3
    _assert_same_function(before, after, images)
    with torch.no_grad():
        reached = network.layers[0](torch.from_numpy(np.concatenate(images))).amax((0, 2, 3)) >= 6
    assert 0 < reached.sum() < len(reached)
    unmoved = [np.array_equal(one, other) for one, other in zip(_weights(before)[0], _weights(after)[0], strict=True)]
    assert unmoved == reached.tolist()


@pytest.mark.parametrize(
    "name", ["regnetx_002", "mobilenetv2_100", "efficientnet_lite0", "shufflenet_v2_x1_0", "mobilenetv3_large_100"]
)
def test_networks_of_the_zoo_compute_the_same(name, tmp_path):
    network = zoo.create_model(name, num_classes=7, in_chans=3, seed=0)
    before, after = _export(network, tmp_path / "float.onnx"), tmp_path / "equal.onnx"
    images = _images(3)
    equalize(before, after, calibration=images)
    _assert_same_function(before, after, images)


def test_high_biases_move_to_the_next_layer(tmp_path):
    torch.manual_seed(3)
    network = _Chain(bias=30.0, padding=1)
    before, after = _export(network, tmp_path / "float.onnx"), tmp_path / "absorbed.onnx"
    images = _images(16)
    moved = absorb_biases(before, after, calibration=images)
    assert len(moved) == 2  # not into the depthwise layer, whose padding is zeros
    _assert_same_function(before, after, images)
    for one, other in zip(_weights(before), _weights(after), strict=True):
        assert np.array_equal(one, other)
    with torch.no_grad():
        lowest = network.layers[:3](torch.from_numpy(np.concatenate(images))).amin((0, 2, 3))
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(after).graph.initializer}
    depthwise = [n for n in onnx.load(after).graph.node if n.op_type == "Conv"][1]
    expected = network.layers[2].bias.detach().numpy() - lowest.clamp(min=0).numpy()
    np.testing.assert_allclose(tensors[depthwise.input[2]], expected, rtol=1e-4, atol=1e-4)


def test_layers_that_share_a_bias_in_the_file_get_one_each(tmp_path):
    torch.manual_seed(4)
    layers = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1)]
    for conv in layers[::2]:
        nn.init.ones_(conv.bias)
    before, after = _export(nn.Sequential(*layers), tmp_path / "float.onnx"), tmp_path / "equal.onnx"
    assert len(onnx.load(before).graph.initializer) == 4  # three weights and one bias
    equalize(before, after)
    _assert_same_function(before, after, _images())


def _smoothed(strength, tmp_path):
    """Weights, and largest inputs of the second layer, of a pair before and after."""
    torch.manual_seed(5)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.LeakyReLU(), nn.Conv2d(6, 4, 3))
    with torch.no_grad():
        network[0].weight[2] *= 50  # an outlier among the activations
    before, after = _export(network, tmp_path / "float.onnx"), tmp_path / "smooth.onnx"
    images = _images()
    outliers = smooth(before, after, calibration=images, strength=strength)
    _assert_same_function(before, after, images)
    with torch.no_grad():
        seen = network[:2](torch.from_numpy(np.concatenate(images))).abs().amax((0, 2, 3)).numpy()
    assert list(outliers.values()) == pytest.approx([seen.max() / np.median(seen)], rel=1e-4)
    (old, _), (new, weight) = _weights(before), _weights(after)
    scale = np.abs(old).max((1, 2, 3)) / np.abs(new).max((1, 2, 3))
    return seen, network[2].weight.detach().abs().amax((0, 2, 3)).numpy(), scale, np.abs(weight).max((0, 2, 3))


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.5, 1.0])
def test_outliers_of_activations_move_into_the_weights_by_the_papers_scale(strength, tmp_path):
    seen, reading, scale, after = _smoothed(strength, tmp_path)
    np.testing.assert_allclose(scale, seen**strength / reading ** (1 - strength), rtol=1e-4)
    np.testing.assert_allclose(after, reading * scale, rtol=1e-4)
    if strength == 0.5:  # then both are as hard to quantize
        np.testing.assert_allclose(seen / scale, after, rtol=1e-4)
    if strength == 1.0:
        np.testing.assert_allclose(seen / scale, 1, rtol=1e-4)


def test_smoothing_serves_depthwise_layers_and_leaves_relu6_alone(tmp_path):
    torch.manual_seed(6)
    images = _images()
    for act, count in ((nn.ReLU, 3), (nn.ReLU6, 0)):
        before, after = _export(_Chain(act=act), tmp_path / "float.onnx"), tmp_path / "smooth.onnx"
        assert len(smooth(before, after, calibration=images)) == count
        _assert_same_function(before, after, images)


def test_smoothing_without_images_or_with_a_wrong_strength_is_refused(tmp_path):
    for strength, images in ((0.5, []), (1.5, _images())):
        with pytest.raises(QuantizationError, match="smoothing needs images, and a strength in"):
            smooth(tmp_path / "none.onnx", tmp_path / "out.onnx", calibration=images, strength=strength)
