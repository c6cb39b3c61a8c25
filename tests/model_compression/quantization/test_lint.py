"""What runs in float is found and explained."""

import pytest

from model_compression.errors import QuantizationError
from model_compression.quantization.lint import float_operators, optimized_graph
from model_compression.quantization.placement import PlacementOptions, place


def test_a_convolution_left_out_is_found(placed, tmp_path):
    files = placed("mobilenetv2_035")
    name = files.read().layers[4].name
    place(files.float_path, tmp_path / "q.onnx", list(files.images[:1, None]), PlacementOptions(excluded=(name,)))
    before, after = float_operators(files.qdq_path), float_operators(tmp_path / "q.onnx")
    assert [finding.operator for finding in before] == ["ReduceMean"]
    added = [finding for finding in after if finding not in before]
    assert [finding.name for finding in added] == [name]
    assert added[0].operator in ("Conv", "FusedConv") and "not quantized" in added[0].why


def test_operators_without_an_int8_form_are_explained(placed):
    findings = float_operators(placed("mobilenetv3_small_100").qdq_path)
    assert {finding.operator for finding in findings} == {"HardSigmoid", "ReduceMean"}
    assert all(finding.why == f"onnxruntime has no int8 {finding.operator}" for finding in findings)
    assert len(findings) == 28 + 10


def test_all_of_a_float_file_runs_in_float(placed):
    files = placed("timm/resnet18")
    names = {finding.name for finding in float_operators(files.float_path)}
    assert {layer.name for layer in files.read().layers} <= names


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(QuantizationError, match="nothing"):
        optimized_graph(tmp_path / "nothing.onnx")
