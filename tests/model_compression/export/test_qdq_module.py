"""A quantized file as a torch module computes what the file says, and its export carries the file's numbers."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

import zoo
from latency_tables.onnx_files import export_onnx
from model_compression.errors import QuantizationError
from model_compression.export.qdq_module import QdqModule
from model_compression.quantization.placement import place


@pytest.mark.parametrize("signed", [False, True])
def test_scores_are_those_of_the_fake_quantized_network(learned, signed):
    with torch.no_grad():
        scores = QdqModule(learned.path, signed=signed)(torch.from_numpy(learned.images)).numpy()
    assert abs(scores - learned.scores()).max() < 1e-5


def test_signed_values_have_the_same_scales_and_zero_points_128_lower(learned):
    one, other = (QdqModule(learned.path, signed=signed).quantized for signed in (False, True))
    assert one.keys() == other.keys() and len(one) > 6
    for name, params in one.items():
        assert params._replace(zero_point=params.zero_point - 128, low=-128, high=127, dtype=torch.int8) == other[name]


def test_layers_lie_where_they_were_exported_from(learned):
    module = QdqModule(learned.path)
    weighted = [node for node in module.nodes() if node.weight is not None]
    paths = {id(child): path for path, child in module.named_modules()}
    assert [paths[id(node)] for node in weighted] == ["stem.0", "block.0", "block.2", "block.4", "head.2"]
    for layer, node in zip(learned.network.layers, weighted, strict=True):
        quantizer = learned.network.quantizer(layer.weight)
        assert node.name == layer.name and torch.equal(node.weight.scale, quantizer.scale.detach())
        assert torch.allclose(node.weight(), learned.network.constant(layer.weight).detach(), rtol=1e-6, atol=0)


def test_what_stands_around_an_operator_is_told(learned):
    module = QdqModule(learned.path)
    (added,) = (node for node in module.nodes() if node.kind == "Add")
    stem, last = module.params_read(added)
    assert stem and last and stem.scale != last.scale
    assert module.params_of(added.results[0]) is not None and module.params_of("nowhere") is None


def test_other_types_of_activations_are_refused(learned, tmp_path):
    model = onnx.load(learned.path)
    zero = next(node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear")
    for tensor in model.graph.initializer:
        if tensor.name == zero:
            tensor.CopyFrom(helper.make_tensor(zero, onnx.TensorProto.UINT16, (), [3]))
            assert numpy_helper.to_array(tensor).dtype == "uint16"
    onnx.save(model, tmp_path / "wide.onnx")
    with pytest.raises(QuantizationError, match=f"{zero}: activations of type uint16"):
        QdqModule(tmp_path / "wide.onnx")


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "shufflenet_v2_x0_5", "timm/resnet18"])
def test_published_networks_are_followed(name, tmp_path):
    torch.manual_seed(0)
    float_path, path = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    export_onnx(zoo.create_model(name, num_classes=10).eval(), (1, 3, 32, 32), float_path)
    images = np.random.default_rng(0).standard_normal((2, 1, 3, 32, 32), dtype=np.float32)
    network, batch = place(float_path, path, list(images)), torch.from_numpy(images[:, 0])
    with torch.no_grad():
        scores, expected = QdqModule(path)(batch), network(batch)
    assert expected.std() > 0 and (scores - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert len([node for node in QdqModule(path).nodes() if node.weight is not None]) == len(network.layers)
