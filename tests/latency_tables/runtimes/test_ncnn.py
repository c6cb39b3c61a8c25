import time

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from latency_tables import MeasurementError, get_runtime
from latency_tables.bench import Bench
from latency_tables.runtimes import open_session

ncnn = pytest.importorskip("ncnn", reason="ncnn is not installed; pip install 'edgezoo[ncnn]'")
pytest.importorskip("pnnx", reason="pnnx is not installed; pip install 'edgezoo[ncnn]'")

_KINDS = {
    "conv": {},
    "depthwise_separable": {"se_ratio": 0.25},
    "inverted_residual": {"act": "hard_swish"},
    "ghost": {"se_ratio": 0.25},
    "shuffle_v2": {},
    "fire": {"norm": True},
}
_GROUPED = {"shuffle_v1": {"groups": 4}, "group_conv": {"group_width": 16}}
_SHAPE = (2, 1, 15, 17)  # planes whose size ncnn pads


def _network(kind):
    torch.manual_seed(0)
    block = zoo.BlockSpec(kind=kind, out_chans=64, stride=2, options=(_KINDS | _GROUPED)[kind])
    stem = zoo.BlockSpec(kind="conv", out_chans=16)
    network = zoo.ArchSpec(resolution=16, blocks=(stem, block)).build(5, 1, seed=0)
    with torch.no_grad():  # untrained statistics would hide a wrong fold
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
    network.head.classifier.weight.data.normal_(0, 0.3)
    return network.eval()


def _error(session, network, images):
    expected = network(images).detach().numpy()
    scores = session.predict(images.numpy())
    assert scores.shape == expected.shape
    return np.abs(scores - expected).max() / np.abs(expected).max()


class Odd(nn.Module):
    """A convolution, and something after it."""

    def __init__(self, odd):
        super().__init__()
        self.conv, self.odd = nn.Conv2d(1, 4, 3), odd

    def forward(self, x):
        return self.odd(self.conv(x)).mean((2, 3))


def _export(module, folder, shape=_SHAPE):
    return get_runtime("ncnn").export(module, shape, folder, dtype="fp32", calibration=[])


@pytest.mark.parametrize("kind", [*_KINDS, *_GROUPED])
def test_fp32_scores_are_those_of_pytorch_for_any_number_of_images(kind):
    network = _network(kind)
    assert _error(open_session("ncnn", network, _SHAPE), network, torch.randn(5, *_SHAPE[1:])) < 1e-4


@pytest.mark.parametrize("kind", _KINDS)
def test_bf16_is_near_and_really_stored_in_16_bits(kind):
    network, images = _network(kind), torch.randn(5, *_SHAPE[1:])
    session = open_session("ncnn", network, _SHAPE, dtype="bf16")
    assert 1e-5 < _error(session, network, images) < 0.05
    extractor = session._net.create_extractor()
    extractor.input("in0", session._example[0])
    assert extractor.extract("1", 1)[1].elembits() == 16


@pytest.mark.parametrize("kind", _GROUPED)
def test_bf16_is_never_silently_wrong(kind):
    network = _network(kind)
    try:
        session = open_session("ncnn", network, _SHAPE, dtype="bf16")
    except MeasurementError as error:
        assert "wrong values in bf16 (ConvolutionDepthWise" in str(error)
    else:
        assert _error(session, network, torch.randn(5, *_SHAPE[1:])) < 0.05


@pytest.mark.skipif(bool(ncnn.cpu_support_arm_asimdhp()), reason="this processor has fp16 arithmetic")
def test_fp16_is_refused_where_it_would_run_as_fp32():
    with pytest.raises(MeasurementError, match="no fp16 on this processor"):
        open_session("ncnn", _network("conv"), _SHAPE, dtype="fp16")


def test_only_the_two_model_files_are_left(tmp_path):
    assert _export(_network("conv"), tmp_path) == tmp_path / "model.ncnn.param"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ncnn.bin", "model.ncnn.param"]


def test_weights_are_written_in_fp32(tmp_path):
    network = _network("conv")
    _export(network, tmp_path)
    weights = sum(p.numel() for p in network.parameters() if p.dim() > 1)
    assert (tmp_path / "model.ncnn.bin").stat().st_size > 4 * weights


def test_a_first_layer_that_works_in_place_leaves_the_images_alone():
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    session, images = open_session("ncnn", network, _SHAPE), torch.randn(2, *_SHAPE[1:])
    before = images.clone()
    assert _error(session, network, images) < 1e-4
    assert torch.equal(images, before)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_obeyed(threads):
    network = nn.Sequential(nn.Conv2d(1, 64, 3), nn.Conv2d(64, 64, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    session = open_session("ncnn", network, (1, 1, 32, 32), threads=threads)
    session.run()
    process, thread = time.process_time(), time.thread_time()
    for _ in range(100):
        session.run()
    ratio = (time.process_time() - process) / (time.thread_time() - thread)
    assert ratio < 1.05 if threads == 1 else ratio > 1.3


def test_a_layer_that_ncnn_lacks_is_named():
    with pytest.raises(MeasurementError, match=r"no layer torch\.fft\.fft2") as caught:
        open_session("ncnn", Odd(lambda x: torch.fft.fft2(x).real), _SHAPE)
    assert "\n" not in str(caught.value)


def test_a_network_that_cannot_be_traced_is_one_line(tmp_path):
    with pytest.raises(MeasurementError, match="cannot be traced") as caught:
        _export(Odd(lambda x: x[:, :, :20, :20].view(1, 4, 20, 20)), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_conversion_has_a_time_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("latency_tables.runtimes.ncnn._CONVERSION_SECONDS", 0.001)
    with pytest.raises(MeasurementError, match=r"longer than 0\.001 s"):
        _export(_network("conv"), tmp_path)


@pytest.mark.parametrize("missing", ["model.ncnn.param", "model.ncnn.bin"])
def test_a_broken_file_is_one_line(missing, tmp_path):
    path = _export(_network("conv"), tmp_path)
    (tmp_path / missing).write_bytes(b"")
    with pytest.raises(MeasurementError, match="cannot read") as caught:
        get_runtime("ncnn").load(path, _SHAPE, dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)


def test_a_file_without_image_size_is_an_error(tmp_path):
    with pytest.raises(MeasurementError, match="size"):
        get_runtime("ncnn").load(_export(_network("conv"), tmp_path), None, dtype="fp32", threads=1)


def test_networks_and_files_are_timed_in_the_measuring_process(tmp_path):
    with Bench("ncnn", "bf16") as bench:
        bench.add("net", _network("ghost"), _SHAPE)
        bench.add_file("file", _export(_network("conv"), tmp_path), _SHAPE)
        for name in ("net", "file"):
            assert all(sample.ms > 0 and sample.reference_ms > 0 for sample in bench.visit(name))
        assert bench.profile("net", 2) is None
        assert bench.device.settings["storage"] == "bf16"
