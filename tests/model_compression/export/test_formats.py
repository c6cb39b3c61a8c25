import math

import numpy as np
import onnxruntime
import pytest
import torch

from latency_tables.onnx_files import export_onnx
from model_compression import RecipeError
from model_compression.export.formats import Format, fastest, shipped_formats, try_formats
from model_compression.export.onnx import calibration_batches, network_inputs
from model_compression.quantization.placement import PlacementOptions, place
from zoo.training import TrainConfig, train


@pytest.fixture(scope="module")
def network(small_space, digits):
    params = {name: choices[0] for name, choices in small_space.parameters().items()}
    network = small_space.decode(params).build(digits.num_classes, digits.in_chans, seed=0)
    train(network, digits, TrainConfig(epochs=3), resolution=16)
    return network.eval()


@pytest.fixture(scope="module")
def formats(network, digits, tmp_path_factory):
    wanted = [("onnxruntime", "bf16"), ("onnxruntime", "fp32"), ("onnxruntime", "int8")]
    folder = tmp_path_factory.mktemp("formats")
    return try_formats(network, digits, resolution=16, folder=folder, formats=wanted, seconds_each=0.3)


def test_each_format_is_evaluated_and_timed(formats, network, digits):
    *measured, failed = formats
    assert failed.dtype == "bf16" and "has no dtype 'bf16'" in failed.error and math.isnan(failed.median_ms)
    assert measured[0].median_ms <= measured[1].median_ms
    images = network_inputs(digits.val, digits, 16)
    with torch.no_grad():
        float_right = (network(torch.from_numpy(images)).argmax(1) == digits.val.labels).float().mean().item()
    for entry in measured:
        session = onnxruntime.InferenceSession(str(entry.path), providers=["CPUExecutionProvider"])
        scores = np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])
        assert entry.accuracy == pytest.approx(float((scores.argmax(1) == digits.val.labels.numpy()).mean()))
        assert entry.drop == pytest.approx(float_right - entry.accuracy, abs=1e-6)
        assert 0 < entry.low_ms <= entry.median_ms <= entry.high_ms


def test_only_what_keeps_its_accuracy_is_shipped():
    slow = Format("onnxruntime", "fp32", accuracy=0.9, drop=0.0, median_ms=2.0)
    quick = Format("onnxruntime", "int8", accuracy=0.85, drop=0.05, median_ms=1.0)
    broken = Format("openvino", "fp32", error="no such operator")
    assert fastest([quick, slow, broken], max_drop=0.01) is slow
    assert fastest([quick, slow, broken], max_drop=0.06) is quick
    with pytest.raises(RecipeError, match=r"loses 5\.0%; openvino fp32: no such operator"):
        fastest([quick, broken], max_drop=0.01)


def test_formats_are_those_of_installed_runtimes_with_files():
    assert {("onnxruntime", "fp32"), ("onnxruntime", "int8")} <= set(shipped_formats())
    assert "torch" not in {runtime for runtime, _ in shipped_formats()}
    assert {runtime for runtime, _ in shipped_formats("onnxruntime")} == {"onnxruntime"}


def test_int8_files_carry_what_was_learned(network, digits, tmp_path):
    float_path, path = tmp_path / "float.onnx", tmp_path / "int4.onnx"
    export_onnx(network, (1, 1, 16, 16), float_path)
    place(float_path, path, calibration_batches(digits, 16), PlacementOptions(weight_bits=4))
    wanted = [("onnxruntime", "int8"), ("onnxruntime", "fp32")]
    found = try_formats(
        network, digits, resolution=16, folder=tmp_path / "formats", formats=wanted, learned=path, seconds_each=0.1
    )
    files = {entry.dtype: entry.path for entry in found}
    assert files["int8"].read_bytes() == path.read_bytes()
    assert b"QuantizeLinear" not in files["fp32"].read_bytes()
