import math
from itertools import groupby

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo import SpecError
from zoo.scaling import scale_depth, scale_width

SOME = (
    "mobilenetv2_050", "mobilenetv3_small_050", "ghostnet_050", "shufflenet_v2_x0_5", "shufflenet_v1_g3_025",
    "shufflenet_v1_g8_050", "regnetx_002", "squeezenet1_1", "sqnxt23_w1", "fbnetv2_f1", "mcunet_in1", "espnetv2_050",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "factor", "published"),
    [
        ("mobilenetv2_100", 1.4, "mobilenetv2_140"),
        ("mobilenetv1_100", 0.5, "mobilenetv1_050"),
        ("mobilenetv1_100", 0.25, "mobilenetv1_025"),
        ("lcnet_100", 0.5, "lcnet_050"),
    ],
)
def test_a_family_that_scales_all_its_layers_is_met(name, factor, published):
    assert scale_width(zoo.get_spec(name), factor) == zoo.get_spec(published)


def test_narrow_mobilenetv2_differs_in_the_last_convolution_alone_which_is_published_unscaled():
    ours, published = scale_width(zoo.get_spec("mobilenetv2_100"), 0.5), zoo.get_spec("mobilenetv2_050")
    assert ours.blocks[:-1] == published.blocks[:-1]
    assert (ours.blocks[-1].out_chans, published.blocks[-1].out_chans) == (640, 1280)


@pytest.mark.parametrize(("name", "multiple"), [("shufflenet_v1_g3_100", 12), ("shufflenet_v1_g8_100", 32)])
def test_groups_that_do_not_divide_multiples_of_8_get_what_they_divide(name, multiple):
    spec = scale_width(zoo.get_spec(name), 0.35)
    assert {block.out_chans % multiple for block in spec.blocks} == {0}
    assert spec.build(10)(torch.randn(2, 3, 64, 64)).shape == (2, 10)


@pytest.mark.parametrize(
    ("factor", "depths"),
    [(0.5, (1, 1, 1, 2, 2, 2, 1)), (0.75, (1, 2, 2, 2, 2, 3, 1)), (1.5, (1, 3, 3, 5, 5, 6, 1))],
)
def test_depths_of_efficientnet_are_the_rounded_products(factor, depths):
    """Its stages have 1, 2, 2, 3, 3, 4 and 1 blocks (arXiv:1905.11946, table 1)."""
    spec = scale_depth(zoo.get_spec("efficientnet_b0"), factor)
    stages = [len(list(run)) for _, run in groupby(spec.blocks[1:-1], lambda block: block.out_chans)]
    assert tuple(stages) == depths


def test_a_pointwise_convolution_behind_another_one_is_not_taken_for_its_repetition():
    spec = zoo.get_spec("mobilenetv4_conv_small")
    plain = [block for block in spec.blocks if block.kind == "conv"]
    assert any(dict(block.options).get("kernel") == 1 for block in plain[1:-1])
    for factor in (0.5, 2.0):
        assert [block for block in scale_depth(spec, factor).blocks if block.kind == "conv"] == plain


@pytest.mark.parametrize("name", SOME)
def test_factor_one_is_the_network_itself(name):
    spec = zoo.get_spec(name)
    assert scale_width(spec, 1.0).digest == scale_depth(spec, 1).digest == spec.digest


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(SOME), st.sampled_from((0.35, 0.6, 1.25, 2.0)), st.sampled_from((0.3, 0.5, 1.5, 2.0)))
def test_scaled_networks_run_and_keep_their_strides_and_stages(name, width, depth):
    spec = zoo.get_spec(name).at_resolution(64)
    scaled = scale_width(scale_depth(spec, depth), width)
    assert math.prod(b.stride for b in scaled.blocks) == math.prod(b.stride for b in spec.blocks)
    assert [k for k, _ in groupby(b.kind for b in scaled.blocks)] == [
        k for k, _ in groupby(b.kind for b in spec.blocks)
    ]
    assert scaled.shapes[-1][1:] == spec.shapes[-1][1:]
    with torch.no_grad():
        assert scaled.build(5).eval()(torch.randn(1, 3, 64, 64)).shape == (1, 5)


@pytest.mark.parametrize("name", ["mobilenetv2_100", "ghostnet_100", "shufflenet_v2_x1_0"])
@pytest.mark.parametrize("factor", [0.35, 0.5, 0.75, 1.25])
def test_channels_are_multiples_of_8_and_never_more_than_a_tenth_too_few(name, factor):
    for before, after in zip(zoo.get_spec(name).blocks, scale_width(zoo.get_spec(name), factor).blocks, strict=True):
        exact = before.out_chans * factor
        assert after.out_chans % 8 == 0
        assert 0.9 * exact <= after.out_chans < max(exact + 8, 9)


def test_a_head_that_cannot_take_the_channels_is_found_out():
    head = {"kind": "condense", "options": {"condense_factor": 7}}
    spec = zoo.ArchSpec(resolution=32, blocks=({"kind": "conv", "out_chans": 70},), head=head)
    with pytest.raises(SpecError, match=r"no network of 0\.5 times the width: head condense"):
        scale_width(spec, 0.5)


@pytest.mark.parametrize("factor", [0, -1.0, float("nan"), float("inf")])
def test_a_factor_that_means_nothing_is_refused(factor):
    for scale in (scale_width, scale_depth):
        with pytest.raises(SpecError, match="factor must be above 0"):
            scale(zoo.get_spec("mobilenetv2_050"), factor)
