"""Dilation in the place of strides, against timm's."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoo
from zoo import SpecError
from zoo.models import MODELS
from zoo.models.regnet import regnet
from zoo.timm_import import timm


@pytest.mark.parametrize("name", ["mobilenetv2_100", "efficientnet_b0", "regnetx_002"])
@pytest.mark.parametrize(("output_stride", "side"), [(16, 96), (16, 128), (8, 96), (8, 128)])
def test_with_timms_weights_the_scores_are_timms(name, output_stride, side, assert_same_function):
    theirs = timm.create_model(MODELS.get(name).timm or name, num_classes=10, output_stride=output_stride)
    ours = zoo.get_spec(name).at_output_stride(output_stride).build(num_classes=10)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    assert_same_function(theirs, ours, images)
    assert ours.forward_features(images).shape[2] == side // output_stride


def test_the_usual_output_stride_changes_nothing():
    spec = zoo.get_spec("efficientnet_b0")
    assert spec.at_output_stride(32) == spec


def test_other_strides_are_refused():
    for output_stride in (0, 4, 12, 64):
        with pytest.raises(SpecError, match=r"^output_stride must be 8, 16 or 32"):
            zoo.get_spec("regnetx_002").at_output_stride(output_stride)


def test_a_block_without_dilation_is_refused_by_its_place():
    with pytest.raises(SpecError, match=r"^blocks\[\d+\]: max_pool has no dilation for output_stride 8$"):
        zoo.get_spec("squeezenet1_1").at_output_stride(8)


def test_a_shortcut_that_would_lose_its_projection_is_refused():
    block = {"kind": "group_conv", "out_chans": 16, "stride": 2}
    spec = zoo.ArchSpec(resolution=64, blocks=({"kind": "conv", "out_chans": 16, "stride": 2}, *[block] * 4))
    assert spec.at_output_stride(32) == spec
    with pytest.raises(SpecError, match=r"^blocks\[4\]: group_conv of 16 to 16 channels keeps no weights"):
        spec.at_output_stride(16)


@settings(max_examples=10, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 8), st.floats(4, 64), st.floats(1.5, 3), st.integers(4, 12), st.sampled_from((8, 24, 40)))
def test_the_weights_of_any_network_keep_their_shapes_or_it_is_refused(eights, wa, wm, depth, group_width):
    spec = regnet(8 * eights, wa, wm, depth, group_width, se_ratio=0.25)
    for output_stride in (8, 16):
        try:
            dilated = spec.at_output_stride(output_stride)
        except SpecError as error:
            assert "dilation" in str(error)
            continue
        with torch.device("meta"):
            shapes = [{n: p.shape for n, p in s.build(10).named_parameters()} for s in (spec, dilated)]
        assert shapes[0] == shapes[1]
