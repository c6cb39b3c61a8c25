import onnx
import pytest
import torch

from model_compression import RecipeError
from model_compression.recipe.pipeline import rightly_classified
from model_compression.recipe.steps.quantize import Quantize


def _types(path):
    return {tensor.data_type for tensor in onnx.load(path).graph.initializer if len(tensor.dims) == 4}


@pytest.mark.parametrize("method", ["min-max", "search", "bias-correction", "qat", "lsq"])
def test_each_method_leaves_a_file_of_integers_that_still_classifies(method, trained, job):
    after = Quantize(method=method, epochs=1).apply(trained, job)
    assert _types(after.file) == {onnx.TensorProto.INT8}
    before, now = (rightly_classified(state, job).float().mean() for state in (trained, after))
    assert now > before - 0.05
    assert after.dtype == "int8" and trained.dtype == "fp32"


def test_fewer_bits_hurt_and_the_fallback_brings_layers_back(trained, job):
    rough = Quantize(weight_bits=2, max_drop=0.03)
    lost = rightly_classified(rough.apply(trained, job), job).float().mean()
    back = rightly_classified(rough.model_copy(update={"fallback": True}).apply(trained, job), job).float().mean()
    whole = rightly_classified(trained, job).float().mean()
    assert lost < whole - 0.03 and back > lost


def test_it_is_softened_until_layers_stay_float_and_then_no_more():
    first = Quantize()
    second = first.softened()
    third = second.softened()
    assert (second.method, second.fallback) == ("search", False)
    assert (third.method, third.fallback) == ("search", True)
    assert third.softened() is None


def test_what_is_quantized_is_not_quantized_again(trained, job):
    after = Quantize().apply(trained, job)
    with pytest.raises(RecipeError, match="already"):
        Quantize().apply(after, job)


def test_the_network_given_stays_as_it_was(trained, job):
    before = {name: tensor.clone() for name, tensor in trained.network.state_dict().items()}
    Quantize(method="qat", epochs=1).apply(trained, job)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.network.state_dict().items())
