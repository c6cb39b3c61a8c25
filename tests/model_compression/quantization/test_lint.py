"""What runs in float is found and explained."""

import pytest

from model_compression.errors import QuantizationError
from model_compression.quantization.lint import float_operators, optimized_graph
from model_compression.quantization.placement import PlacementOptions, place


def test_onnxruntime_quantizes_a_lone_float_convolution_itself(placed, tmp_path):
    """Between quantized values its float weights become integers again: it does not run in float."""
    files = placed("mobilenetv2_035")
    name = files.read().layers[4].name
    place(files.float_path, tmp_path / "q.onnx", list(files.images[:1, None]), PlacementOptions(excluded=(name,)))
    assert [finding.operator for finding in float_operators(tmp_path / "q.onnx")] == ["ReduceMean"]
    node = next(node for node in optimized_graph(tmp_path / "q.onnx").graph.node if node.name.startswith(name))
    assert node.op_type == "QLinearConv" and node.input[3] == f"{name}_weight_q"


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
