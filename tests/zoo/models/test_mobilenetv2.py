import pytest
import torch

import zoo
from zoo.timm_import import timm, torchvision


@pytest.mark.parametrize(("name", "resolution"), [("mobilenetv2_035", 224), ("mobilenetv2_110d", 97)])
def test_with_timms_weights_the_scores_are_timms(name, resolution, assert_same_function):
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(2, 3, resolution, resolution))


@pytest.mark.parametrize(
    ("name", "width", "divisor"),
    [("mobilenetv2_010", 0.1, 4), ("mobilenetv2_025", 0.25, 8), ("mobilenetv2_130", 1.3, 8)],
)
def test_widths_that_timm_lacks_are_torchvisions_network(name, width, divisor, assert_same_function):
    reference = torchvision.models.MobileNetV2(width_mult=width, round_nearest=divisor)
    assert_same_function(reference, zoo.create_model(name), torch.randn(2, 3, 96, 96))


@pytest.mark.parametrize(("name", "published"), [("mobilenetv2_010", 12.92), ("mobilenetv2_025", 37.21)])
def test_multiply_adds_are_those_published_with_the_weights(name, published):
    assert zoo.model_info(name).macs / 1e6 == pytest.approx(published, abs=0.01)


def test_deeper_networks_keep_their_ends():
    spec = zoo.get_spec("mobilenetv2_120d")
    assert spec.blocks[0].out_chans == 32 and spec.blocks[-1].out_chans == 1280
    expansions = [dict(block.options).get("expand", 6.0) for block in spec.blocks[1:-1]]
    # ceil(1.4 x 2, 3, 4, 3, 3) blocks in the middle stages, one in the first and the last
    assert expansions == [1.0] + [6.0] * (3 + 5 + 6 + 5 + 5 + 1)
