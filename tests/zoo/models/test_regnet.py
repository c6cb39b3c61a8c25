import math

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import zoo
from zoo.models import MODELS
from zoo.models.regnet import regnet, stages
from zoo.timm_import import timm

reference = timm.models.regnet

# the ranges that the authors sample from (pycls, sweep/config.py)
W0 = st.integers(1, 32).map(lambda n: 8 * n)
WA = st.integers(80, 2560).map(lambda n: n / 10)
WM = st.integers(2000, 3000).map(lambda n: n / 1000)
DEPTH = st.integers(12, 28)
GROUP_WIDTH = st.integers(1, 16).map(lambda n: 8 * n)
properties = settings(
    max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize("name", zoo.list_models(family="regnet*"))
def test_weights_of_every_variant_are_timms_in_order(name):
    with torch.device("meta"):
        theirs, ours = timm.create_model(MODELS.get(name).timm), zoo.create_model(name)
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in theirs.state_dict().values()]


@pytest.mark.parametrize(("name", "side"), [("regnetx_002", 97), ("regnety_002", 224)])
def test_with_timms_weights_the_scores_are_timms(name, side, assert_same_function):
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(2, 3, side, side))


def test_a_stage_narrower_than_a_group_is_one_group_and_equal_stages_stay_two(assert_same_function):
    w0, wa, wm, depth, group_width = 8, 4.6, 1.65, 6, 24
    assert stages(w0, wa, wm, depth, group_width) == [(8, 1, 8), (16, 1, 16), (24, 3, 24), (24, 1, 24)]
    theirs = reference.RegNet(reference.RegNetCfg(depth, w0, wa, wm, group_width, se_ratio=0.25), num_classes=5)
    ours = regnet(w0, wa, wm, depth, group_width, se_ratio=0.25, resolution=64).build(5)
    assert_same_function(theirs, ours, torch.randn(4, 3, 64, 64))


def near_a_tie(w0: int, wa: float, wm: float, depth: int) -> bool:
    """Whether a number to be rounded lies so near the middle that timm's single precision may go the other way."""
    exponents = [math.log((w0 + wa * block) / w0, wm) for block in range(depth)]
    widths = [w0 * wm ** round(exponent) / 8 for exponent in exponents]
    return any(abs(number % 1 - 0.5) < 1e-3 for number in (*exponents, *widths))


@properties
@given(W0, WA, WM, DEPTH, GROUP_WIDTH)
def test_the_generator_gives_timms_stages(w0, wa, wm, depth, group_width):
    assume(not near_a_tie(w0, wa, wm, depth))
    per_block, count, groups = reference.generate_regnet(wa, w0, wm, depth, group_width)
    quantised = sorted(set(per_block))
    widths, groups = reference.adjust_widths_groups_comp(quantised, [1.0] * count, groups)
    expected = [(w, per_block.count(q), g) for w, q, g in zip(widths, quantised, groups, strict=True)]
    assert stages(w0, wa, wm, depth, group_width) == expected


@properties
@given(W0, WA, WM, DEPTH, GROUP_WIDTH)
def test_stages_never_narrow_and_are_whole_groups(w0, wa, wm, depth, group_width):
    found = stages(w0, wa, wm, depth, group_width)
    widths = [width for width, _, _ in found]
    assert widths == sorted(widths)
    assert sum(blocks for _, blocks, _ in found) == depth
    assert all(width % 8 == 0 and width % group == 0 and group == min(group_width, width) for width, _, group in found)


@settings(properties, max_examples=8)
@given(W0, WA, WM, DEPTH, GROUP_WIDTH, st.sampled_from((0.0, 0.25)))
def test_every_regnet_of_the_authors_ranges_builds(w0, wa, wm, depth, group_width, se_ratio):
    spec = regnet(w0, wa, wm, depth, group_width, se_ratio=se_ratio)
    with torch.device("meta"):
        assert spec.build(10)(torch.empty(2, 3, 224, 224)).shape == (2, 10)


@pytest.mark.parametrize(
    "change", [{"w0": 20}, {"w0": 0}, {"wa": -1.0}, {"wa": math.nan}, {"wm": 1.0}, {"group_width": 0}]
)
def test_numbers_outside_the_design_space_are_refused(change):
    numbers = {"w0": 24, "wa": 36.44, "wm": 2.49, "depth": 13, "group_width": 8}
    with pytest.raises(zoo.SpecError, match="RegNet wants"):
        regnet(**{**numbers, **change})
