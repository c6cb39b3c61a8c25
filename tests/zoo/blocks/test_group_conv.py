"""RegNet's bottleneck against timm's."""

import pytest
import torch

from zoo import BlockSpec
from zoo.blocks.group_conv import GroupConv
from zoo.timm_import import timm


@pytest.mark.parametrize(("in_chans", "out_chans", "stride"), [(24, 24, 1), (24, 48, 1), (24, 48, 2), (24, 24, 2)])
@pytest.mark.parametrize("se_ratio", [0.0, 0.25])
@pytest.mark.parametrize("dilation", [1, 2])
def test_it_is_timms_bottleneck(in_chans, out_chans, stride, se_ratio, dilation, assert_same_function):
    theirs = timm.models.regnet.Bottleneck(
        in_chans, out_chans, stride, (dilation, dilation), group_size=8, se_ratio=se_ratio
    )
    options = {"group_width": 8, "se_ratio": se_ratio, "se_of": "input", "se_divisor": 1, "dilation": dilation}
    ours = BlockSpec(kind="group_conv", out_chans=out_chans, stride=stride, options=options).build(in_chans)
    assert_same_function(theirs, ours, torch.randn(4, in_chans, 17, 14))


def test_the_ratio_of_the_squeeze_is_of_the_input_or_of_the_middle():
    options = {"se_ratio": 0.25, "se_divisor": 1, "bottleneck": 0.5}
    reduced = {
        of: BlockSpec(kind="group_conv", out_chans=160, options={**options, "se_of": of}).build(32).se.reduce
        for of in ("input", "middle")
    }
    assert {of: (conv.in_channels, conv.out_channels) for of, conv in reduced.items()} == {
        "input": (80, 8),
        "middle": (80, 20),
    }


@pytest.mark.parametrize(("group_width", "bottleneck"), [(4, 0.5), (1, 0.25)])
def test_a_narrow_middle_is_timms(group_width, bottleneck, assert_same_function):
    theirs = timm.models.regnet.Bottleneck(16, 32, bottle_ratio=bottleneck, group_size=group_width, se_ratio=0.0)
    ours = GroupConv(16, 32, group_width=group_width, bottleneck=bottleneck)
    assert_same_function(theirs, ours, torch.randn(4, 16, 9, 7))


def test_the_middle_is_rounded_to_whole_groups():
    conv = GroupConv(16, 24, group_width=10, bottleneck=0.5).conv.conv
    assert (conv.in_channels, conv.groups) == (20, 2)  # 12: 10 would be more than 10 % less


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd"):
        GroupConv(16, 16, kernel=4)
