import pytest
import torch

import zoo
from zoo.timm_import import timm


@pytest.mark.parametrize(
    ("name", "twin", "resolution"),
    [
        ("mobilenetv3_small_050", "mobilenetv3_small_050", 224),
        ("mobilenetv3_large_075", "mobilenetv3_large_075", 96),
        ("mobilenetv3_small_minimal_100", "tf_mobilenetv3_small_minimal_100", 96),
        ("mobilenetv3_small_minimal_100", "tf_mobilenetv3_small_minimal_100", 97),  # other pads than at 96
    ],
)
def test_with_timms_weights_the_scores_are_timms(name, twin, resolution, assert_same_function):
    assert_same_function(timm.create_model(twin), zoo.create_model(name), torch.randn(2, 3, resolution, resolution))


def test_minimal_networks_have_only_3x3_kernels_relu_and_no_squeeze_and_excitation():
    for name in zoo.list_models("mobilenetv3_*_minimal_*"):
        network = zoo.create_model(name)
        kinds = {type(layer).__name__ for layer in network.modules()}
        assert kinds.isdisjoint({"SqueezeExcite", "Hardswish", "Hardsigmoid"}) and "ReLU" in kinds
        kernels = {layer.kernel_size for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)}
        assert kernels == {(1, 1), (3, 3)}


@pytest.mark.parametrize(("size", "hidden"), [("large", 1280), ("small", 1024)])
def test_the_layer_behind_the_pooling_is_as_wide_at_every_width(size, hidden):
    for name in zoo.list_models(f"mobilenetv3_{size}_*"):
        assert zoo.create_model(name, num_classes=0).num_features == hidden
