import functools
import sys
import time
from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import zoo
from latency_tables.bench import Bench
from latency_tables.errors import MeasurementError, RuntimeUnavailableError
from latency_tables.kernels import spec_kernels
from latency_tables.machine import available_cores
from latency_tables.onnx_files import export_onnx, quantize_onnx
from latency_tables.runtimes import RUNTIMES, open_session

_OPENVINO = RUNTIMES.get("openvino")
pytestmark = pytest.mark.skipif(_OPENVINO.version() is None, reason=f"openvino is not installed: {_OPENVINO.install}")

_SHAPE = (2, 1, 16, 24)
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
_NNCF_KINDS = ("inverted_residual", "ghost", "shuffle_v2")
_INT8 = [(kind, "int8") for kind in _KINDS] + [(kind, "int8-nncf") for kind in _NNCF_KINDS]
_WITH_WEIGHTS = ("Convolution", "FullyConnected")


def _has_bf16():
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _spec(kind):
    block = zoo.BlockSpec(kind=kind, out_chans=64, options=_KINDS[kind])
    stem = zoo.BlockSpec(kind="conv", out_chans=16)
    return zoo.ArchSpec(resolution=16, blocks=(stem, block.model_copy(update={"stride": 2}), block))


@functools.cache
def _network(kind):
    torch.manual_seed(0)
    network = _spec(kind).build(10, 1, seed=0)
    with torch.no_grad():  # untrained statistics would hide a wrong fold
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
    network.head.classifier.weight.data.normal_(0, 0.3)
    network.eval()
    with torch.no_grad():  # without what all images share, their classes differ
        network.head.classifier.bias -= network(torch.from_numpy(_images())).mean(0)
    return network


@functools.cache
def _images():
    """Return an odd number of images that differ in brightness, contrast and structure."""
    rng = np.random.default_rng(0)
    coarse = rng.standard_normal((31, 1, 4, 6)).repeat(4, axis=2).repeat(4, axis=3)
    contrast, brightness = rng.uniform(0.1, 1.5, (31, 1, 1, 1)), rng.uniform(-2, 2, (31, 1, 1, 1))
    return (contrast * coarse + brightness).astype(np.float32)


@functools.cache
def _session(kind, dtype):
    calibration = [_images()[i : i + 2] for i in range(0, 30, 2)]
    return open_session("openvino", _network(kind), _SHAPE, dtype=dtype, calibration=calibration)


@functools.cache
def _profile(kind, dtype):
    return _session(kind, dtype).profile(2)


def _scores(kind):
    with torch.no_grad():
        return _network(kind)(torch.from_numpy(_images())).numpy()


def _assert_equal(scores, kind):
    expected = _scores(kind)
    np.testing.assert_allclose(scores, expected, atol=1e-4 * np.abs(expected).max())


def _assert_alike(scores, kind, correlation):
    expected = _scores(kind)
    assert np.corrcoef(scores.ravel(), expected.ravel())[0, 1] > correlation
    assert np.mean(scores.argmax(1) == expected.argmax(1)) >= 0.7


@pytest.mark.parametrize("kind", _KINDS)
def test_fp32_scores_are_pytorchs_for_any_number_of_images(kind):
    _assert_equal(_session(kind, "fp32").predict(_images()), kind)


@pytest.mark.parametrize(("kind", "dtype"), _INT8)
def test_int8_scores_are_near_those_of_float(kind, dtype):
    # NNCF takes the mean of the batches' ranges, which cuts off the brightest images
    _assert_alike(_session(kind, dtype).predict(_images()), kind, 0.97 if dtype == "int8" else 0.85)


@pytest.mark.parametrize(("kind", "dtype"), _INT8)
def test_every_layer_with_weights_really_runs_in_int8(kind, dtype):
    executed = [node.executed for node in _profile(kind, dtype) if node.op in _WITH_WEIGHTS]
    assert executed and all(name.lower().endswith("_i8") for name in executed), executed


@pytest.mark.parametrize("kind", _KINDS)
def test_fp32_is_never_run_as_anything_shorter(kind):
    assert all(node.executed.endswith("_f32") for node in _profile(kind, "fp32"))


@pytest.mark.parametrize(("kind", "dtype"), [*((kind, "fp32") for kind in _KINDS), *_INT8])
def test_every_convolution_of_the_network_is_found_in_the_profile(kind, dtype):
    nodes = [node for node in _profile(kind, dtype) if node.op in _WITH_WEIGHTS]
    wanted = [p.module for p in spec_kernels(_spec(kind), 10, 1) if p.kernel.op in ("conv", "linear")]
    assert Counter(node.module for node in nodes) == Counter(wanted)
    assert all(node.ms > 0 for node in nodes)


@pytest.mark.parametrize("dtype", ["fp32", "int8"])
def test_the_profile_is_of_what_runs(dtype):
    def told(compiled):
        nodes = compiled.get_runtime_model().get_ordered_ops()
        return [(n.get_friendly_name(), n.get_rt_info()["primitiveType"].astype(str)) for n in nodes]

    session = _session("inverted_residual", dtype)
    run = Counter(primitive for _, primitive in told(session._compiled))
    profiled = Counter(node.executed for node in _profile("inverted_residual", dtype))
    assert not profiled - run
    layers = [node.outputs[0][1] for node in _profile("inverted_residual", dtype) if node.op in _WITH_WEIGHTS]
    assert layers == [16, 96, 96, 64, 384, 384, 64, 10]  # channels in order of execution


def _wide_network():
    return zoo.ArchSpec(resolution=32, blocks=(zoo.BlockSpec(kind="conv", out_chans=128),) * 3).build(10, 3, seed=0)


def _foreign_seconds(session, enough):
    """Return the processor time that other threads than this one took for runs, `enough` ends the wait."""
    session.run()
    end, started = time.monotonic() + 5, time.process_time() - time.thread_time()
    for _ in range(20):
        session.run()
    while time.process_time() - time.thread_time() - started < enough and time.monotonic() < end:
        session.run()
    return time.process_time() - time.thread_time() - started


def test_a_single_thread_is_the_calling_one():
    session = open_session("openvino", _wide_network(), (1, 3, 32, 32), threads=1)
    assert _foreign_seconds(session, enough=0.0) < 0.001


@pytest.mark.skipif(available_cores() < 2, reason="two threads need two cores")
def test_two_threads_both_compute():
    session = open_session("openvino", _wide_network(), (1, 3, 32, 32), threads=2)
    assert _foreign_seconds(session, enough=0.005) >= 0.005


def test_more_threads_than_cores_are_refused():
    with pytest.raises(MeasurementError, match=rf"runs \d+ threads here, not {available_cores() + 7}$"):
        open_session("openvino", _network("conv"), _SHAPE, threads=available_cores() + 7)


def test_bf16_is_refused_where_the_processor_has_none():
    if _has_bf16():
        pytest.skip("this processor has bf16")
    with pytest.raises(MeasurementError, match=r"cannot run bf16 here.*try fp32") as caught:
        open_session("openvino", _network("conv"), _SHAPE, dtype="bf16")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", _KINDS)
def test_bf16_is_near_float_and_really_bf16(kind):
    if not _has_bf16():
        pytest.skip("this processor has no bf16")
    _assert_alike(_session(kind, "bf16").predict(_images()), kind, 0.999)
    assert all("bf16" in node.executed for node in _profile(kind, "bf16") if node.op == "Convolution")


@pytest.mark.parametrize("dtype", _OPENVINO.dtypes)
def test_the_export_needs_only_openvino(dtype, tmp_path, monkeypatch):
    images = list(_images()[:4].reshape(2, *_SHAPE))
    path = _OPENVINO.export(_network("conv"), _SHAPE, tmp_path, dtype=dtype, calibration=images)
    assert path == tmp_path / "model.xml"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    if dtype != "bf16" or _has_bf16():
        for name in ("torch", "onnx", "onnxruntime", "nncf", "pydantic"):
            monkeypatch.setitem(sys.modules, name, None)
        _OPENVINO.load(path, _SHAPE, dtype=dtype, threads=1).run()


def test_weights_keep_all_their_bits(tmp_path):
    _OPENVINO.export(_network("conv"), _SHAPE, tmp_path, dtype="fp32", calibration=[])
    weights = sum(p.numel() for p in _network("conv").parameters() if p.ndim > 1)
    assert (tmp_path / "model.bin").stat().st_size >= 4 * weights


def test_a_qdq_file_of_ones_own_runs_in_int8(tmp_path):
    export_onnx(_network("fire"), _SHAPE, tmp_path / "float.onnx")
    quantize_onnx(tmp_path / "float.onnx", tmp_path / "int8.onnx", list(_images()[:30].reshape(15, *_SHAPE)))
    session = _OPENVINO.load(tmp_path / "int8.onnx", None, dtype="int8", threads=1)
    _assert_alike(session.predict(_images()), "fire", 0.97)
    executed = [node.executed for node in session.profile(1) if node.op in _WITH_WEIGHTS]
    assert executed and all(name.endswith("_I8") for name in executed)


def test_a_file_of_open_size_needs_an_input_shape(tmp_path):
    path = tmp_path / "net.onnx"
    export_onnx(_network("shuffle_v2"), _SHAPE, path)
    model = onnx.load(path)
    for axis in (0, 2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"size{axis}"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "size0"
    onnx.save(model, path)
    with pytest.raises(MeasurementError, match=r"^net\.onnx leaves the size of its input open"):
        _OPENVINO.load(path, None, dtype="fp32", threads=1)
    session = _OPENVINO.load(path, (3, 1, 16, 24), dtype="fp32", threads=1)
    _assert_equal(session.predict(_images()), "shuffle_v2")
    with pytest.raises(MeasurementError, match="cannot take images of 1x3x16x24") as caught:
        _OPENVINO.load(path, (1, 3, 16, 24), dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["net.onnx", "net.xml", "no-weights.xml"])
def test_a_broken_file_is_one_line(name, tmp_path):
    path = tmp_path / name
    if name == "no-weights.xml":
        _OPENVINO.export(_network("conv"), _SHAPE, tmp_path, dtype="fp32", calibration=[])
        path.write_bytes((tmp_path / "model.xml").read_bytes())
    else:
        path.write_text("nothing like a network")
    with pytest.raises(MeasurementError, match=f"openvino cannot read {name}") as caught:
        _OPENVINO.load(path, None, dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)


def test_an_operator_that_openvino_lacks_is_named_in_one_line(tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.det(x[:, :, :4, :4])

    with pytest.raises(MeasurementError, match=r"openvino cannot run it, another runtime may: .*\bDet") as caught:
        _OPENVINO.export(Odd(), _SHAPE, tmp_path, dtype="fp32", calibration=[])
    assert "\n" not in str(caught.value)


def test_a_model_of_two_inputs_is_refused(tmp_path):
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    image = torch.zeros(_SHAPE)
    torch.onnx.export(Two(), (image, image), str(tmp_path / "two.onnx"), dynamo=False)
    with pytest.raises(MeasurementError, match=r"two\.onnx takes something else than one float32 image"):
        _OPENVINO.load(tmp_path / "two.onnx", None, dtype="fp32", threads=1)


def test_without_nncf_its_dtype_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(RuntimeUnavailableError, match=r"nncf; pip install 'edgezoo\[openvino\]'"):
        _OPENVINO.export(_network("conv"), _SHAPE, tmp_path, dtype="int8-nncf", calibration=[_images()[:2]])


@pytest.mark.parametrize("dtype", ["int8", "int8-nncf"])
def test_no_calibration_images_is_an_error(dtype, tmp_path):
    with pytest.raises(MeasurementError, match="calibrate"):
        _OPENVINO.export(_network("conv"), _SHAPE, tmp_path, dtype=dtype, calibration=[])


@pytest.mark.parametrize("dtype", ["fp32", "int8", "int8-nncf"])
def test_export_is_silent_and_reports_to_nobody(dtype, tmp_path, capfd):
    _OPENVINO.export(_network("conv"), _SHAPE, tmp_path, dtype=dtype, calibration=[_images()[:2]])
    assert capfd.readouterr() == ("", "")
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.parametrize("dtype", ["fp32", "int8-nncf"])
def test_the_measuring_process_times_and_profiles_it(dtype):
    with Bench("openvino", dtype) as bench:
        bench.add("net", _network("ghost"), _SHAPE)
        samples = bench.visit("net", samples=4)
        nodes = bench.profile("net", 2)
    assert len(samples) == 4 and all(s.ms > 0 and s.reference_ms > 0 for s in samples)
    assert bench.device.settings["inference_precision_hint"] == "f32"
    assert {node.module for node in nodes} >= {"blocks.0.conv", "blocks.1.dw.conv", "head.classifier"}
