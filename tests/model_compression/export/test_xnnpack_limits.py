"""What XNNPACK would refuse when it runs is refused before, and the layer named."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from torch import nn

from latency_tables import MeasurementError, get_runtime
from latency_tables.executorch_files import export_program
from latency_tables.onnx_files import export_onnx
from latency_tables.runtimes import RUNTIMES
from model_compression.errors import QuantizationError
from model_compression.export.qdq_module import QdqModule
from model_compression.export.xnnpack_limits import check_for_xnnpack
from model_compression.quantization.placement import place

_SMALL_RESULT = ("/block/block.3/Relu_output_0_scale", lambda scale: scale * 1e-4)
_SMALL_SUM = ("/Add_output_0_scale", lambda scale: scale / 4096)


def changed(learned, path, name, change):
    """Write the quantized file with another tensor to `path`."""
    model = onnx.load(learned.path)
    found = [tensor for tensor in model.graph.initializer if tensor.name == name]
    assert len(found) == 1
    array = numpy_helper.to_array(found[0])
    found[0].CopyFrom(numpy_helper.from_array(np.asarray(change(array), array.dtype), name))
    onnx.save(model, path)
    return path


def test_what_was_learned_is_within_the_limits(learned):
    check_for_xnnpack(QdqModule(learned.path, signed=True))


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (*_SMALL_RESULT, r"layer '/block/block\.2/Conv': one step of its sums is \S+ steps of its result"),
        (*_SMALL_SUM, r"node '/Add': an input's step is \S+ of the result's"),
        ("block.2.weight_zero_point", lambda zero: zero + 1, r"layer '/block/block\.2/Conv': .* zero point 0 only"),
    ],
)
def test_layers_beyond_the_limits_are_named(learned, tmp_path, name, change, told):
    path = changed(learned, tmp_path / "changed.onnx", name, change)
    with pytest.raises(QuantizationError, match=told):
        check_for_xnnpack(QdqModule(path, signed=True))


def test_products_with_the_weights_last_are_named(tmp_path):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(8, 5, bias=False)

        def forward(self, images):
            return self.mix(images.flatten(2)).mean(1)

    export_onnx(Tokens().eval(), (1, 3, 2, 4), tmp_path / "float.onnx")
    images = [np.random.default_rng(0).standard_normal((1, 3, 2, 4), dtype=np.float32)]
    place(tmp_path / "float.onnx", tmp_path / "int8.onnx", images)
    with pytest.raises(QuantizationError, match="layer '/mix/MatMul' is a MatMul whose output channels come last"):
        check_for_xnnpack(QdqModule(tmp_path / "int8.onnx", signed=True))


@pytest.mark.slow
@pytest.mark.skipif(RUNTIMES.get("executorch").version() is None, reason="executorch is not installed")
def test_xnnpack_itself_refuses_such_a_layer_without_its_name(learned, tmp_path):
    module = QdqModule(changed(learned, tmp_path / "changed.onnx", *_SMALL_RESULT), signed=True)
    export_program(module, (1, 1, 16, 16), tmp_path / "model.pte")
    with pytest.raises(MeasurementError, match="executorch cannot load it"):
        get_runtime("executorch", "int8").load(tmp_path / "model.pte", None, dtype="int8", threads=1)
