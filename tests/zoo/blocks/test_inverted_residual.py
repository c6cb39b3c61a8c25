import pytest
import torch
from torch import nn

from zoo.blocks.inverted_residual import InvertedResidual
from zoo.timm_import import timm

IMAGES = torch.randn(4, 8, 11, 14, generator=torch.Generator().manual_seed(0))
efficientnet = timm.models._efficientnet_blocks


@pytest.mark.parametrize(
    ("out_chans", "stride", "kernel", "dilation", "expand"),
    [(8, 1, 3, 1, 3.0), (12, 1, 5, 1, 2.5), (8, 2, 3, 1, 6.0), (8, 1, 3, 2, 3.0)],
)
def test_is_timms(out_chans, stride, kernel, dilation, expand, assert_same_function):
    reference = efficientnet.InvertedResidual(
        8, out_chans, kernel, stride, dilation, exp_ratio=expand, act_layer=nn.ReLU6
    )
    ours = InvertedResidual(8, out_chans, stride=stride, kernel=kernel, dilation=dilation, expand=expand)
    assert_same_function(reference, ours, IMAGES)


@pytest.mark.parametrize(("se_of", "hidden"), [("middle", 12), ("input", 2)])
def test_attention_is_relative_to_the_middle_or_the_input(se_of, hidden, assert_same_function):
    reference = efficientnet.InvertedResidual(
        8, 8, exp_ratio=6, act_layer=nn.SiLU,
        se_layer=lambda chans, **options: efficientnet.SqueezeExcite(chans, rd_ratio=hidden / chans, **options),
    )  # fmt: skip
    options = {"se_ratio": 0.25, "se_of": se_of, "se_divisor": 1, "se_act": "silu", "se_gate": "sigmoid"}
    assert_same_function(reference, InvertedResidual(8, 8, act="silu", **options), IMAGES)


def test_attentions_channels_are_rounded_and_its_gate_is_hard_by_default():
    block = InvertedResidual(8, 8, expand=9.0, se_ratio=0.25)
    assert block.se.reduce.out_channels == 24  # 72 / 4 = 18: 16 would be more than 10 % less
    assert isinstance(block.se.gate, nn.Hardsigmoid) and isinstance(block.se.act, nn.ReLU)


def test_without_expansion_there_is_no_layer_for_it(assert_same_function):
    reference = nn.Sequential(
        nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 12, 1, bias=False),
        nn.BatchNorm2d(12),
    )
    assert_same_function(reference, InvertedResidual(8, 12, expand=1.0), IMAGES)


@pytest.mark.parametrize(("expand", "mid"), [(2.0, 16), (2.5, 24), (3.3, 24), (0.1, 8)])
def test_middle_channels_are_a_multiple_of_eight_never_ten_percent_less(expand, mid):
    assert InvertedResidual(8, 8, expand=expand).dw.conv.out_channels == mid
