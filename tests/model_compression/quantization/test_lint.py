"""What runs in float is found and explained."""

from dataclasses import replace

import pytest

from latency_tables.runtimes import RUNTIMES, NodeTime, get_runtime
from model_compression.errors import QuantizationError
from model_compression.export.learned import export_learned
from model_compression.quantization.lint import (
    Finding,
    costed,
    describe,
    float_layers,
    float_operators,
    optimized_graph,
    profiled_in_float,
)
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


def test_what_stays_float_is_told_with_its_cost(placed, tmp_path):
    files = placed("mobilenetv2_035")
    kept = tuple(layer.name for layer in files.read().layers[3:6])
    path = tmp_path / "q.onnx"
    place(files.float_path, path, list(files.images[:1, None]), PlacementOptions(excluded=kept))
    found = float_layers(path)
    assert [replace(finding, ms=None) for finding in found] == float_operators(path)
    convolutions = [finding for finding in found if "Conv" in finding.operator]
    assert [finding.name for finding in convolutions] == list(kept)
    nodes = get_runtime("onnxruntime").load(path, None, dtype="int8", threads=1).profile(20)
    assert all(finding.ms for finding in found)
    assert sum(finding.ms for finding in found) < 2 * sum(node.ms for node in nodes)


def _node(op, module, ms, executed=""):
    return NodeTime(op, executed, module, (), (), ms)


def test_costs_go_to_the_operator_of_the_same_module_or_beside_the_activation_it_fused():
    findings = [Finding(name, op, "") for name, op in [("/a/b/conv/Conv", "FusedConv"), ("/a/Mul", "Mul")]]
    findings += [Finding("/a/Mul_1", "Mul", ""), Finding("/c/Erf", "Erf", "")]
    nodes = [_node("Mul", "a", 1.0), _node("Conv", "a.b.act", 2.0), _node("Mul", "a", 4.0), _node("Erf", "d.e", 8.0)]
    assert [finding.ms for finding in costed(findings, nodes)] == [2.0, 1.0, 4.0, None]


def test_a_finding_is_a_line():
    assert describe(Finding("/c/Erf", "Erf", "")) == "runs in float: /c/Erf (Erf)"
    told = describe(Finding("/c/Erf", "Erf", "onnxruntime has no int8 Erf", 0.01234))
    assert told == "runs in float: /c/Erf (Erf), 0.0123 ms: onnxruntime has no int8 Erf"


def test_other_runtimes_tell_by_their_kernels_names():
    nodes = [
        _node("Convolution", "stem", 1.0, "brgconv_avx512_I8"),
        _node("Convolution", "head", 2.0, "jit_avx512_f32"),
        _node("Convolution", "", 3.0, "Convolution (NHWC, QC8) IGEMM"),
        _node("Mean", "", 4.0, "Mean (ND, F32)"),
        _node("Convert", "", 5.0, "Convert (NC, F32, QS8)"),
        _node("Subgraph", "", 6.0, "jit_avx512_f32"),
    ]
    assert [(finding.name, finding.ms) for finding in profiled_in_float(nodes)] == [("head", 2.0), ("Mean", 4.0)]


@pytest.mark.skipif(RUNTIMES.get("openvino").version() is None, reason="openvino is not installed")
def test_openvino_tells_what_it_runs_in_float(placed, tmp_path):
    files = placed("mobilenetv2_035")
    left = float_layers(export_learned(files.qdq_path, tmp_path / "int8.xml"), runtime="openvino")
    # with VNNI the last layer adds its bias to float scores
    assert {(finding.name, finding.operator) for finding in left} <= {("head", "Subgraph")}
    found = float_layers(files.float_path, runtime="openvino")
    assert {"Convolution", "FullyConnected"} <= {finding.operator for finding in found}
    assert all(finding.ms > 0 for finding in found)
