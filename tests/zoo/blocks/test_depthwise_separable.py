import pytest
import torch
from torch import nn

from zoo.blocks.depthwise_separable import DepthwiseSeparable
from zoo.timm_import import timm

IMAGES = torch.randn(4, 8, 11, 14, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("stride", "kernel", "dilation"), [(1, 3, 1), (2, 5, 1), (1, 3, 2)])
@pytest.mark.parametrize("linear", [False, True])
def test_is_depthwise_and_pointwise_convolution(stride, kernel, dilation, linear, assert_same_function):
    padding = dilation * (kernel - 1) // 2
    reference = nn.Sequential(
        nn.Conv2d(8, 8, kernel, stride, padding, dilation, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 12, 1, bias=False),
        nn.BatchNorm2d(12),
        nn.Identity() if linear else nn.ReLU6(),
    )
    ours = DepthwiseSeparable(8, 12, stride=stride, kernel=kernel, dilation=dilation, linear=linear)
    assert_same_function(reference, ours, IMAGES)


def test_with_attention_and_residual_it_is_timms(assert_same_function):
    efficientnet = timm.models._efficientnet_blocks
    reference = efficientnet.DepthwiseSeparableConv(
        8, 8, se_layer=lambda chans, **options: efficientnet.SqueezeExcite(chans, rd_ratio=0.5, **options)
    )
    ours = DepthwiseSeparable(
        8, 8, act="relu", se_ratio=0.5, se_divisor=1, se_gate="sigmoid", linear=True, residual=True
    )
    assert_same_function(reference, ours, IMAGES)


def test_the_input_is_added_only_where_asked_and_possible():
    for block in (
        DepthwiseSeparable(8, 8),
        DepthwiseSeparable(8, 12, residual=True),
        DepthwiseSeparable(8, 8, stride=2, residual=True),
        DepthwiseSeparable(8, 8, kernel=4, residual=True),
    ):
        assert not block.residual
