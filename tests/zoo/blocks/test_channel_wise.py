import pytest
import torch
from torch import nn

from zoo import BlockSpec, SpecError, complexity
from zoo.blocks.channel_wise import ChannelGroup, ChannelWise, ChannelWiseConv
from zoo.timm_import import timm  # noqa: F401  before pytorchcv

from pytorchcv.models.channelnet import ChannelwiseConv2d, SimpleGroupBlock  # isort: skip


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def test_the_convolution_along_the_channels_is_pytorchcvs_3d_one():
    reference, ours = ChannelwiseConv2d(2, 0.0), ChannelWiseConv(8, groups=2)
    with torch.no_grad():
        ours.conv.weight.copy_(reference.conv.weight.squeeze(4).normal_())
        x = torch.randn(2, 24, 5, 3)
        torch.testing.assert_close(ours(x), reference(x))


@pytest.mark.parametrize(
    ("kernel", "groups", "out", "seen"),
    [
        (4, 1, 5, [4, 5, 6, 7]),  # one channel before it, two after it, as TensorFlow's 'SAME'
        (8, 2, 8, [3, 4, 5, 6, 7, 8, 9]),  # the fourth of the second kernel starts at 3 * 2 - 3, the last is margin
        (5, 5, 3, [5, 6, 7, 8, 9]),  # the second of the second kernel
    ],
)
def test_an_output_channel_sees_its_window_of_channels_at_its_own_place_only(kernel, groups, out, seen):
    conv = ChannelWiseConv(kernel, groups)
    nn.init.ones_(conv.conv.weight)
    x = torch.rand(1, 10, 2, 2, requires_grad=True)
    conv(x)[0, out, 1, 0].backward()
    assert x.grad.nonzero()[:, 1:].tolist() == [[channel, 1, 0] for channel in seen]


@pytest.mark.parametrize("channel_kernel", [0, 8])
def test_the_group_modules_are_pytorchcvs_layers_around_a_shortcut(channel_kernel, assert_same_function):
    mixing = [ChannelwiseConv2d(2, 0.0)] if channel_kernel else []
    reference = Residual(SimpleGroupBlock(16, multi_blocks=2, groups=2, dropout_rate=0.0), *mixing)
    for layer in reference.modules():
        if isinstance(layer, nn.Conv3d):  # the same weights without the third axis, for the comparison in order
            layer.weight = nn.Parameter(layer.weight[..., 0])
            layer.forward = lambda x, layer=layer: nn.functional.conv3d(
                x, layer.weight[..., None], None, layer.stride, layer.padding
            )
    assert_same_function(reference, ChannelGroup(16, 16, channel_kernel=channel_kernel), torch.randn(4, 16, 7, 5))


def test_the_group_channel_wise_unit_costs_what_the_paper_says():
    m, n, g, k, side, d = 24, 48, 4, 3, 5, 16  # channels in, out, groups, kernel, pixels a side, channel kernel
    unit = ChannelGroup(m, n, groups=g, repeats=1, channel_kernel=d)
    cost = complexity(unit, (m, side, side))
    assert cost.macs == (k * k * m + m // g * (n // g) * g + d * (n // g) * g) * side**2
    assert cost.params == k * k * m + m // g * (n // g) * g + d * g + 2 * n  # the last term is batch normalisation


def test_the_separable_channel_wise_unit_costs_what_the_paper_says():
    cost = complexity(ChannelWise(24, 24, channel_kernel=9, norm=False), (24, 5, 5))
    assert cost.macs == (3 * 3 * 24 + 9 * 24) * 5**2
    assert cost.params == 3 * 3 * 24 + 9


@pytest.mark.parametrize(
    ("kind", "chans", "options", "reason"),
    [
        ("channel_group", 25, {}, r"output channels \(25\) must be a multiple of 2"),
        ("channel_group", 24, {"groups": 4, "channel_kernel": 3}, "leaves channels out"),
        ("channel_wise", 48, {}, "channels stay the same: 24 in, 48 out"),
    ],
)
def test_what_cannot_be_built_says_why(kind, chans, options, reason):
    with pytest.raises(SpecError, match=reason):
        BlockSpec(kind=kind, out_chans=chans, options=options).build(24)
