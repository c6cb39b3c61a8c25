"""The inverted residual against timm's."""

from functools import partial

import pytest
import torch
from torch import nn

from zoo import BlockSpec
from zoo.blocks.inverted_residual import InvertedResidual
from zoo.timm_import import timm

reference = timm.models._efficientnet_blocks

SWISH_AND_SE = {"act": "silu", "se_ratio": 0.25, "se_of": "input", "se_divisor": 1, "se_act": "silu"}


@pytest.mark.parametrize(("in_chans", "out_chans", "stride"), [(16, 16, 1), (16, 24, 1), (16, 24, 2), (16, 16, 2)])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (5, 2)])
def test_it_is_timms_with_squeeze_and_excitation_of_the_input(
    in_chans, out_chans, stride, kernel, dilation, assert_same_function
):
    theirs = reference.InvertedResidual(
        in_chans,
        out_chans,
        kernel,
        stride,
        dilation,
        exp_ratio=6.0,
        act_layer=nn.SiLU,
        se_layer=partial(reference.SqueezeExcite, rd_ratio=0.25 / 6),
    )
    options = {**SWISH_AND_SE, "se_gate": "sigmoid", "kernel": kernel, "dilation": dilation}
    ours = BlockSpec(kind="inverted_residual", out_chans=out_chans, stride=stride, options=options).build(in_chans)
    assert_same_function(theirs, ours, torch.randn(4, in_chans, 17, 14))


@pytest.mark.parametrize("out_chans", [16, 24])
def test_without_expansion_it_is_timms_separable_convolution(out_chans, assert_same_function):
    squeeze = partial(reference.SqueezeExcite, rd_ratio=0.25)
    theirs = reference.DepthwiseSeparableConv(16, out_chans, act_layer=nn.SiLU, se_layer=squeeze)
    options = {**SWISH_AND_SE, "se_gate": "sigmoid", "expand": 1.0}
    ours = BlockSpec(kind="inverted_residual", out_chans=out_chans, options=options).build(16)
    assert_same_function(theirs, ours, torch.randn(4, 16, 17, 14))


@pytest.mark.parametrize(("out_chans", "stride", "expand"), [(16, 1, 3.0), (24, 2, 2.5)])
def test_as_mobilenetv2_has_it_it_is_timms(out_chans, stride, expand, assert_same_function):
    theirs = reference.InvertedResidual(16, out_chans, stride=stride, exp_ratio=expand, act_layer=nn.ReLU6)
    assert_same_function(
        theirs, InvertedResidual(16, out_chans, stride=stride, expand=expand), torch.randn(4, 16, 17, 14)
    )


def test_as_mobilenetv3_has_it_the_squeeze_is_of_the_rounded_middle_and_its_gate_hard():
    block = InvertedResidual(8, 8, expand=9.0, se_ratio=0.25)
    assert block.se.reduce.out_channels == 24  # 72 / 4 = 18: 16 would be more than 10 % less
    assert isinstance(block.se.act, nn.ReLU) and isinstance(block.se.gate, nn.Hardsigmoid)


@pytest.mark.parametrize(("expand", "middle"), [(2.0, 16), (2.5, 24), (3.3, 24), (0.1, 8)])
def test_the_middle_is_a_multiple_of_eight_never_ten_percent_less(expand, middle):
    assert InvertedResidual(8, 8, expand=expand).dw.conv.out_channels == middle
