import pytest
import torch

from zoo.blocks.group_conv import GroupConv
from zoo.timm_import import timm

IMAGES = torch.randn(4, 16, 11, 14, generator=torch.Generator().manual_seed(0))
Bottleneck = timm.models.regnet.Bottleneck


@pytest.mark.parametrize(
    ("out_chans", "stride", "dilation", "group_width", "bottleneck"),
    [(16, 1, 1, 8, 1.0), (24, 2, 1, 4, 1.0), (24, 1, 2, 4, 0.5), (16, 1, 1, 1, 0.25)],
)
def test_is_timms_regnet_block(out_chans, stride, dilation, group_width, bottleneck, assert_same_function):
    reference = Bottleneck(16, out_chans, stride, (dilation, dilation), bottleneck, group_width, se_ratio=0.0)
    ours = GroupConv(16, out_chans, stride=stride, dilation=dilation, group_width=group_width, bottleneck=bottleneck)
    assert_same_function(reference, ours, IMAGES)


@pytest.mark.parametrize("stride", [1, 2])
def test_attention_of_the_input_is_regnety(stride, assert_same_function):
    reference = Bottleneck(16, 32, stride, group_size=8, se_ratio=0.25)
    ours = GroupConv(16, 32, stride=stride, group_width=8, se_ratio=0.25, se_of="input", se_divisor=1)
    assert ours.se.reduce.out_channels == 4
    assert_same_function(reference, ours, IMAGES)


def test_attention_of_the_middle_is_larger():
    assert GroupConv(16, 32, se_ratio=0.25).se.reduce.out_channels == 8


def test_the_bottleneck_is_rounded_to_whole_groups():
    conv = GroupConv(16, 24, group_width=10, bottleneck=0.5).conv.conv
    assert (conv.in_channels, conv.groups) == (20, 2)  # 12: 10 would be more than 10 % less


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd"):
        GroupConv(16, 16, kernel=4)
