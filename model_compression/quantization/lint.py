"""Which parts of a quantized file a runtime computes in float all the same, and how long that takes.

onnxruntime's are read off the graph that it makes of the file, those of others off their profile.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import ModelProto, NodeProto

from latency_tables.bench import Bench
from latency_tables.node_names import module_path
from latency_tables.runtimes import NodeTime
from model_compression.errors import QuantizationError
from model_compression.quantization.onnx_graph import DEQUANTIZE, QUANTIZE, load_onnx
from zoo.errors import first_line

# operators that onnxruntime fuses with the quantizers around them on the CPU
_FUSED = {
    *("Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool"),
    *("LeakyRelu", "Sigmoid", "Softmax"),
}
_MOVES_DATA = {"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Identity", "Slice", "Split", "Pad"}
# between layouts and number formats, the images' own into integers among them, where they belong to no module
_CONVERSIONS = {"Reorder", "Convert", "Subgraph"}
# a fusion keeps the node's name and may add a number
_ADDED = re.compile(r"_token_\d+$")


# how runtimes other than onnxruntime write float in what they tell of a node
_FLOAT = re.compile(r"[_ ,](b?f16|f32)\b", re.IGNORECASE)
_PROFILED_RUNS = 50


@dataclass(frozen=True)
class Finding:
    """An operator that runs in float.

    Attributes:
        name: of its node.
        operator: what it is.
        why: "" where that is not known.
        ms: of one run by the runtime's profile, which adds a little to each node; None where it was not profiled.
    """

    name: str
    operator: str
    why: str
    ms: float | None = None


def float_layers(path: Path, *, runtime: str = "onnxruntime", threads: int = 1) -> list[Finding]:
    """Return what `runtime` computes in float of a quantized model file, with its cost, in order of execution.

    Raises QuantizationError where the runtime offers no profile, MeasurementError where it cannot run the file.
    """
    findings = float_operators(path) if runtime == "onnxruntime" else []
    if runtime == "onnxruntime" and not findings:
        return []
    with Bench(runtime, "int8", threads) as bench:
        bench.add_file("net", path)
        nodes = bench.profile("net", _PROFILED_RUNS)
    if nodes is None:
        raise QuantizationError(f"runtime {runtime!r} offers no profile: what it runs in float cannot be told")
    return costed(findings, nodes) if runtime == "onnxruntime" else profiled_in_float(nodes)


def costed(findings: Sequence[Finding], nodes: Sequence[NodeTime]) -> list[Finding]:
    """Return `findings` with the times of onnxruntime's profile; equal operators of one module in order."""
    waiting, times = list(nodes), dict[int, float]()
    # with a fused activation a convolution may be called after that, beside it
    for place in (lambda module: module, lambda module: module.rpartition(".")[0]):
        for number, finding in enumerate(findings):
            if number not in times:
                wanted = place(module_path(finding.name)), finding.operator.removeprefix("Fused")
                found = [node for node in waiting if (place(node.module), node.op.removeprefix("Fused")) == wanted]
                if found:
                    waiting.remove(found[0])
                    times[number] = found[0].ms
    return [replace(finding, ms=times.get(number)) for number, finding in enumerate(findings)]


def profiled_in_float(nodes: Sequence[NodeTime]) -> list[Finding]:
    """Return the profiled nodes whose implementation is one for float; moves of data and conversions are left out."""
    return [
        Finding(node.module or node.op, node.op, "", node.ms)
        for node in nodes
        if _FLOAT.search(node.executed) and node.op not in _MOVES_DATA and (node.module or node.op not in _CONVERSIONS)
    ]


def describe(finding: Finding) -> str:
    """Return a finding in a line."""
    cost = "" if finding.ms is None else f", {finding.ms:.4f} ms"
    return f"runs in float: {finding.name} ({finding.operator}){cost}" + (f": {finding.why}" if finding.why else "")


def float_operators(qdq_path: Path) -> list[Finding]:
    """Return what runs in float in onnxruntime's optimized graph of a quantized file, in order.

    Moves of data are left out. Raises QuantizationError where onnxruntime cannot open the file.
    """
    model, optimized = load_onnx(qdq_path), optimized_graph(qdq_path)
    quantized = {node.output[0] for node in model.graph.node if node.op_type == DEQUANTIZE}
    requantized = {node.input[0] for node in model.graph.node if node.op_type == QUANTIZE}
    written = {node.name: node for node in model.graph.node if node.name}
    floats = _float_values(optimized)
    findings = []
    for node in optimized.graph.node:
        if node.op_type not in (*_MOVES_DATA, QUANTIZE, DEQUANTIZE) and floats.intersection(node.input):
            name = _ADDED.sub("", node.name)
            why = _why(written.get(name, node), quantized, requantized)
            findings.append(Finding(name or node.output[0], node.op_type, why))
    return findings


def _float_values(model: ModelProto) -> set[str]:
    """Return the names of the values that are float; onnxruntime writes nodes in no promised order."""
    weights = {tensor.name for tensor in model.graph.initializer}
    floats, before = {value.name for value in model.graph.input}, -1
    while len(floats) != before:
        before = len(floats)
        for node in model.graph.node:
            is_float = node.op_type == DEQUANTIZE or (node.op_type != QUANTIZE and floats.intersection(node.input))
            if is_float and node.input[0] not in weights:
                floats.update(node.output)
    return floats


def optimized_graph(path: Path) -> ModelProto:
    """Return what onnxruntime makes of a file on the CPU, before it turns to the layout of memory and to names anew."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        options.log_severity_level = 3
        try:
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises many kinds, none of them public
            raise QuantizationError(f"onnxruntime cannot open {path}: {first_line(error)}") from None
        return load_onnx(Path(folder) / "optimized.onnx")


def _why(node: NodeProto, quantized: set[str], requantized: set[str]) -> str:
    if node.domain:
        return ""
    if node.op_type not in _FUSED:
        return f"onnxruntime has no int8 {node.op_type}"
    if any(name not in quantized for name in node.input[:2]):
        return "what it reads is not quantized in the file"
    if node.output[0] not in requantized:
        return "its result is not quantized in the file"
    return ""
