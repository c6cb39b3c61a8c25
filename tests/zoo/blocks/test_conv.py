import pytest
import torch
from torch import nn

from zoo.blocks.conv import Conv
from zoo.blocks.layers import set_same_padding

IMAGES = torch.randn(4, 6, 11, 14, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("stride", "kernel", "dilation", "groups"), [(1, 3, 1, 1), (2, 5, 1, 3), (1, 3, 2, 2)])
def test_is_convolution_norm_and_activation(stride, kernel, dilation, groups, assert_same_function):
    padding = dilation * (kernel - 1) // 2
    conv = nn.Conv2d(6, 12, kernel, stride, padding, dilation, groups, bias=False)
    reference = nn.Sequential(conv, nn.BatchNorm2d(12), nn.SiLU())
    ours = Conv(6, 12, stride=stride, kernel=kernel, dilation=dilation, groups=groups, act="silu")
    assert_same_function(reference, ours, IMAGES)


def test_without_norm_the_convolution_has_a_bias(assert_same_function):
    reference = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
    assert_same_function(reference, Conv(6, 8, norm=False), IMAGES)


def test_prelu_learns_a_slope_for_each_channel(assert_same_function):
    reference = nn.Sequential(nn.Conv2d(6, 8, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8))
    assert_same_function(reference, Conv(6, 8, kernel=1, act="prelu"), IMAGES)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (11, 14)),
        ({"padding": 0}, (9, 12)),
        ({"padding": 3}, (15, 18)),
        ({"kernel": 2}, (10, 13)),
        ({"stride": 2}, (6, 7)),
        ({"stride": 2, "padding": 0}, (5, 6)),
    ],
)
def test_padding_decides_the_size(options, size):
    assert Conv(6, 8, **options)(IMAGES).shape == (4, 8, *size)


@pytest.mark.parametrize(("size", "expected"), [(11, 6), (14, 7)])
def test_same_padding_rounds_up_and_gives_the_surplus_to_the_end(size, expected):
    block = Conv(1, 1, stride=2, act="none", norm=False)
    nn.init.ones_(block.conv.weight)
    nn.init.zeros_(block.conv.bias)
    set_same_padding(block)
    sums = block(torch.ones(1, 1, size, size))[0, 0]
    assert sums.shape == (expected, expected)
    # an odd size needs a row of zeros above and one below, an even size one below alone
    missing = (9 - sums[0, 1].item(), 9 - sums[-1, 1].item())
    assert missing == ((3, 3) if size % 2 else (0, 3))


def test_residual_adds_the_input_where_the_shape_stays():
    block = Conv(6, 6, residual=True).eval()
    plain = Conv(6, 6).eval()
    nn.init.normal_(block.conv.weight)
    plain.load_state_dict(block.state_dict())
    torch.testing.assert_close(block(IMAGES), IMAGES + plain(IMAGES))
    for other in (Conv(6, 8, residual=True), Conv(6, 6, residual=True, stride=2), Conv(6, 6, residual=True, kernel=2)):
        assert not other.residual


@pytest.mark.parametrize(("groups", "message"), [(4, "input channels"), (3, "output channels")])
def test_groups_must_divide_both_channel_counts(groups, message):
    with pytest.raises(ValueError, match=message):
        Conv(6, 8, groups=groups)
