import copy
import itertools
import time

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import dequantize
from model_compression.quantization.affine import quantize as to_integers
from model_compression.quantization.reconstruction import METHODS, ReconstructionConfig, reconstruct
from model_compression.quantization.write_back import write_network
from zoo.errors import UnknownNameError

_QUICK = ReconstructionConfig(iterations=200, samples=512, batch=128, block_batch=16)


def _images(count=32):
    return torch.randn(count, 1, 12, 12, generator=torch.Generator().manual_seed(1))


def _scores(network):
    with torch.no_grad():
        return network(_images())


def _float_scores(network):
    network = copy.deepcopy(network)
    network.quantize_weights(False)
    network.quantize_activations(False)
    return _scores(network)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_beats_rounding_to_nearest_and_ends_on_the_grid(method, residual):
    network, _ = residual
    target, nearest = _float_scores(network), _scores(network)
    reports = reconstruct(network, _images(), method=method, config=_QUICK)
    assert all(report.learned <= report.nearest for report in reports)
    assert sum(report.learned < 0.9 * report.nearest for report in reports) > len(reports) / 2
    assert (_scores(network) - target).square().mean() < 0.7 * (nearest - target).square().mean()
    for layer in network.layers:
        quantizer, weight = network.quantizers[layer.weight], network.weights[layer.weight].detach()
        assert quantizer.rounding is None and not quantizer.scale.requires_grad
        on_grid = dequantize(to_integers(weight, quantizer.params()), quantizer.params())
        torch.testing.assert_close(on_grid, weight, rtol=1e-5, atol=1e-7)


def test_adaround_rounds_down_or_up_and_nothing_else(residual):
    network, _ = residual
    before = {key: weight.detach().clone() for key, weight in network.weights.items()}
    reconstruct(network, _images(), method="adaround", config=_QUICK)
    moved = 0
    for layer in network.layers:
        scale, _ = network.quantizers[layer.weight].params().expanded(before[layer.weight])
        steps = before[layer.weight] / scale
        learned = network.weights[layer.weight].detach() / scale
        assert ((learned - steps).abs() < 1 + 1e-4).all()
        moved += int(((learned - steps.round()).abs() > 0.5).sum())
    assert moved > 0


def test_a_tiny_layer_gets_the_best_rounding_of_all(quantize):
    """Against brute force: all 64 roundings of each of two output channels."""
    torch.manual_seed(5)
    network, _ = quantize(nn.Sequential(nn.Conv2d(6, 2, 1, bias=False)), (1, 6, 4, 4), bits=3)
    mixing = torch.randn(6, 6, generator=torch.Generator().manual_seed(2))
    images = torch.einsum("nchw,cd->ndhw", torch.randn(64, 6, 4, 4), mixing)
    (layer,) = network.layers
    quantizer, weight = network.quantizers[layer.weight], network.weights[layer.weight].detach().clone()
    with torch.no_grad():
        rows = network.values([layer.input], {network.input: images})[layer.input].movedim(1, 0).flatten(1)
    goals = weight.flatten(1) @ images.movedim(1, 0).flatten(1)
    steps = weight.flatten(1) / quantizer.scale.detach()[:, None]
    best = []
    for channel in range(2):
        options = [steps[channel].floor() + torch.tensor(ups) for ups in itertools.product((0.0, 1.0), repeat=6)]
        options = [option for option in options if option.abs().max() <= 3]
        errors = [
            float(((o * quantizer.scale.detach()[channel]) @ rows - goals[channel]).square().sum()) for o in options
        ]
        best.append(min(errors))
    config = ReconstructionConfig(iterations=1500, samples=1024, batch=256)
    (report,) = reconstruct(network, images, config=config)
    learned = network.weights[layer.weight].detach().flatten(1) @ rows
    assert float((learned - goals).square().sum()) == pytest.approx(sum(best), rel=1e-3)
    assert report.learned == pytest.approx(sum(best) / float(goals.square().sum()), rel=1e-3)


def test_a_run_that_was_cut_goes_on_and_one_that_was_finished_is_not_done_again(residual, tmp_path):
    network, _ = residual
    cut, whole, again = (copy.deepcopy(network) for _ in range(3))
    whole_reports = reconstruct(whole, _images(), config=_QUICK, folder=tmp_path / "whole")

    def stop(report):
        if report.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct(cut, _images(), config=_QUICK, folder=tmp_path / "cut", on_unit=stop)
    cut = copy.deepcopy(network)
    reports = reconstruct(cut, _images(), config=_QUICK, folder=tmp_path / "cut")
    assert [report.seconds == 0 for report in reports] == [True] * 3 + [False] * (len(reports) - 3)
    again.forward = again.values = None  # nothing is computed
    done = reconstruct(again, _images(), config=_QUICK, folder=tmp_path / "whole")
    assert [(r.name, r.learned) for r in done] == [(r.name, r.learned) for r in whole_reports]
    for key, weight in whole.weights.items():
        assert torch.equal(weight, cut.weights[key]) and torch.equal(weight, again.weights[key])


def test_units_of_another_run_are_not_taken(residual, tmp_path):
    network, _ = residual
    reconstruct(copy.deepcopy(network), _images(), config=_QUICK, folder=tmp_path)
    other = ReconstructionConfig(iterations=5, samples=512, batch=128)
    assert all(r.seconds > 0 for r in reconstruct(network, _images(), config=other, folder=tmp_path))


def test_the_time_limit_is_kept_and_still_helps(residual):
    network, _ = residual
    config = ReconstructionConfig(iterations=10**7, samples=512, batch=128)
    started = time.monotonic()
    reports = reconstruct(network, _images(), config=config, seconds=2.0)
    assert time.monotonic() - started < 5
    assert sum(report.learned < report.nearest for report in reports) > len(reports) / 2


def test_the_written_file_holds_the_learned_integers(residual, tmp_path):
    network, path = residual
    reconstruct(network, _images(), config=_QUICK)
    write_network(network, path, tmp_path / "learned.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "learned.onnx").graph.initializer}
    for layer in network.layers:
        expected = to_integers(network.weights[layer.weight].detach(), network.quantizers[layer.weight].params())
        name = next(n for n in tensors if n.endswith("_quantized") and n.replace(".", "/").startswith(layer.weight))
        assert np.array_equal(tensors[name].reshape(expected.shape), expected.numpy())
    session = onnxruntime.InferenceSession(str(tmp_path / "learned.onnx"), providers=["CPUExecutionProvider"])
    scores = np.concatenate([session.run(None, {"input": image[None].numpy()})[0] for image in _images()])
    step = max(float(q.scale) for q in network.activation_quantizers().values())
    assert np.abs(scores - _scores(network).numpy()).max() < 2 * step


def test_what_cannot_be_done_is_said_in_one_line(residual):
    network, _ = residual
    with pytest.raises(UnknownNameError, match="adaround"):
        reconstruct(network, _images(), method="adarund")
    with pytest.raises(QuantizationError, match="at least one"):
        reconstruct(network, _images(0))
    with pytest.raises(QuantizationError, match="at least one"):
        ReconstructionConfig(iterations=0)
