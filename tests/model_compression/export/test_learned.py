"""Files for every runtime hold what was learned and compute what the fake-quantized network computes."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from latency_tables import get_runtime
from latency_tables.runtimes import RUNTIMES
from model_compression.errors import QuantizationError
from model_compression.export.ir_check import check_ir
from model_compression.export.learned import export_learned
from model_compression.export.qdq_module import QdqModule

PATHS = ["stem.0", "block.0", "block.2", "block.4", "head.2"]
needs_openvino = pytest.mark.skipif(RUNTIMES.get("openvino").version() is None, reason="openvino is not installed")
needs_executorch = pytest.mark.skipif(
    RUNTIMES.get("executorch").version() is None, reason="executorch is not installed"
)


def weights(learned):
    """Return integers and scales of each layer as the quantized file has them, in order."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(learned.path).graph.initializer}
    names = [layer.weight.replace("/", ".") for layer in learned.network.layers]
    return [(found[f"{name}_quantized"], found[f"{name}_scale"]) for name in names]


def with_changed(learned, path, name, change):
    """Write the quantized file with another tensor to `path`."""
    model = onnx.load(learned.path)
    for tensor in model.graph.initializer:
        if tensor.name == name:
            array = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(change(array).astype(array.dtype), name))
    onnx.save(model, path)
    return path


def assert_same_scores(scores, learned, *, most_other=0.02):
    """Within one step of the scores' grid of both our own forward pass and onnxruntime's; few are a step off."""
    session = get_runtime("onnxruntime").load(learned.path, None, dtype="int8", threads=1)
    for expected in (learned.scores(), session.predict(learned.images)):
        steps = np.abs(scores - expected) / learned.step
        assert steps.max() < 1.01 and np.mean(steps > 0.5) <= most_other


def test_onnx_is_the_file_itself(learned, tmp_path):
    path = export_learned(learned.path, tmp_path / "new" / "model.onnx")
    assert path.read_bytes() == learned.path.read_bytes()
    session = get_runtime("onnxruntime").load(path, None, dtype="int8", threads=1)
    assert_same_scores(session.predict(learned.images), learned)


def test_other_suffixes_are_refused(learned, tmp_path):
    with pytest.raises(QuantizationError, match=r"\.onnx, \.xml, \.pte, \.pt2, not 'model\.tflite'"):
        export_learned(learned.path, tmp_path / "model.tflite")


def test_the_program_holds_integers_scales_and_zero_points(learned, tmp_path):
    program = torch.export.load(export_learned(learned.path, tmp_path / "model.pt2"))
    state = {name: tensor.numpy() for name, tensor in program.state_dict.items()}
    for path, (integers, scale) in zip(PATHS, weights(learned), strict=True):
        assert state[f"{path}.weight.integers"].dtype == np.int8
        assert np.array_equal(state[f"{path}.weight.integers"], integers), path
        assert np.array_equal(state[f"{path}.weight.scale"], scale), path
        assert not state[f"{path}.weight.zero_point"].any()
    steps = [node for node in program.graph.nodes if "quantize_per_tensor" in str(node.target)]
    quantized = [node.args[1:] for node in steps if ".quantize_per_tensor" in str(node.target)]
    assert quantized == [tuple(params) for params in QdqModule(learned.path).quantized.values()]
    assert {node.args[1:] for node in steps} == set(quantized)
    with torch.no_grad():
        scores = [program.module()(torch.from_numpy(image[None])) for image in learned.images]
    assert_same_scores(torch.cat(scores).numpy(), learned)


def test_a_fresh_process_runs_the_program(learned, tmp_path):
    path = export_learned(learned.path, tmp_path / "model.pt2")
    np.save(tmp_path / "image.npy", learned.images[:1])
    code = (
        "import json, sys, numpy, torch; from pathlib import Path;"
        "from latency_tables.torch_programs import load_program;"
        "image = torch.from_numpy(numpy.load(sys.argv[2]));"
        "print(json.dumps(load_program(Path(sys.argv[1])).module()(image).tolist()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "image.npy"], capture_output=True, text=True, check=True
    )
    assert np.abs(np.array(json.loads(told.stdout)) - learned.scores()[:1]).max() < 1.01 * learned.step


@needs_openvino
def test_openvino_runs_every_layer_in_int8_and_computes_the_same(learned, tmp_path):
    path = export_learned(learned.path, tmp_path / "model.xml")
    session = get_runtime("openvino", "int8").load(path, None, dtype="int8", threads=1)
    # it adds up before it rounds where a convolution and a sum are one kernel
    assert_same_scores(session.predict(learned.images), learned, most_other=0.3)
    layers = [node for node in session.profile(1) if node.op in ("Convolution", "FullyConnected")]
    assert [node.module for node in layers] == PATHS
    assert all(node.executed.lower().endswith("_i8") for node in layers)


@needs_openvino
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("block.2.weight_quantized", lambda integers: -integers),
        ("block.2.weight_scale", lambda scale: scale * 1.001),
        ("input_scale", lambda scale: scale * 1.001),
        ("input_zero_point", lambda zero: zero + 1),
    ],
)
def test_other_numbers_in_openvinos_file_are_noticed(learned, tmp_path, name, change):
    path = export_learned(learned.path, tmp_path / "model.xml")
    changed = with_changed(learned, tmp_path / "changed.onnx", name, change)
    with pytest.raises(QuantizationError, match=r"is not what was learned"):
        check_ir(changed, path)


@needs_executorch
@pytest.mark.slow
def test_executorch_runs_every_layer_in_int8_and_computes_the_same(learned, tmp_path):
    path = export_learned(learned.path, tmp_path / "model.pte")
    session = get_runtime("executorch", "int8").load(path, None, dtype="int8", threads=1)
    assert_same_scores(session.predict(learned.images), learned)
    layers = [node for node in session.profile(1) if node.module]
    assert [node.module for node in layers] == PATHS
    assert all("QC8" in node.executed for node in layers)
    written = path.read_bytes()
    for name, (integers, scale) in zip(PATHS, weights(learned), strict=True):
        # channels last; of a depthwise convolution, all of them
        orders = [integers] if integers.ndim == 2 else [integers.transpose(0, 2, 3, 1), integers.transpose(1, 2, 3, 0)]
        assert any(order.tobytes() in written for order in orders), name
        assert scale.tobytes() in written, name
    for name, params in QdqModule(learned.path).quantized.items():
        assert np.float32(params.scale).tobytes() in written, name
