import pytest
import torch
from torch import nn

import zoo
from zoo.blocks.interleaved import IgcV1, IgcV2, IgcV3, InterleavedConv
from zoo.blocks.layers import channel_shuffle


def _paths(module, in_chans):
    """Count the paths from each input channel (row) to each output channel, at one pixel."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.zero_()
                layer.weight[:, :, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = 1
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = 0
        return module.eval()(torch.eye(in_chans)[..., None, None])[..., 0, 0]


@pytest.mark.parametrize(("primary", "secondary"), [(4, 32), (16, 16), (100, 2), (2, 3), (3, 1)])
def test_v1_has_exactly_one_path_between_any_two_channels(primary, secondary):
    chans = primary * secondary
    layer = InterleavedConv(chans, chans, 3, primary=primary)
    assert layer.secondary.groups == secondary
    assert torch.equal(_paths(layer, chans), torch.ones(chans, chans))


def test_v1_without_the_shuffles_would_have_holes():
    groups = nn.Sequential(nn.Conv2d(6, 6, 1, groups=2, bias=False), nn.Conv2d(6, 6, 1, groups=3, bias=False))
    assert (_paths(groups, 6) == 0).any()


def test_v1_is_the_dense_convolution_of_the_composed_kernel():
    primary, secondary = 2, 3
    layer = InterleavedConv(6, 6, 3, primary=primary).eval()
    nn.init.normal_(layer.primary.weight)
    nn.init.normal_(layer.secondary.weight)
    dense = torch.zeros(6, 6, 3, 3)
    for l_out in range(primary):
        for l_mid in range(primary):
            for m in range(secondary):  # channel m of each primary partition goes to secondary partition m
                for i in range(secondary):
                    mixing = layer.secondary.weight[m * primary + l_out, l_mid, 0, 0]
                    spatial = layer.primary.weight[l_mid * secondary + m, i]
                    dense[l_out * secondary + m, l_mid * secondary + i] += (mixing * spatial).detach()
    x = torch.randn(2, 6, 5, 5)
    expected = layer.norm(nn.functional.conv2d(x, dense, padding=1))
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_v1_projects_by_groups_only_where_the_shape_changes():
    assert isinstance(IgcV1(8, 8).shortcut, nn.Identity)
    assert [IgcV1(8, 16, stride=stride).shortcut[0].weight.shape for stride in (1, 2)] == [(16, 2, 1, 1)] * 2


@pytest.mark.parametrize(
    ("chans", "groups", "convolutions"),
    [(64, 8, 2), (128, 8, 2), (32, 8, 3), (16, 8, 4), (24, 8, 3), (40, 8, 3), (96, 24, 4), (120, 40, 5), (7, 1, 1)],
)
def test_v2_is_dense_with_as_few_convolutions_as_possible(chans, groups, convolutions):
    block = IgcV2(chans, 2 * groups, groups=groups, act="none")
    assert len(block.chain) + 1 == convolutions
    assert (_paths(block, chans) >= 1).all()
    if convolutions > 1:
        del block.chain[-1]
        assert (_paths(block, chans) == 0).any()


@pytest.mark.parametrize(("chans", "groups"), [(64, 8), (16, 4), (27, 9), (8, 4)])
def test_v2_has_exactly_one_path_where_the_channels_are_a_power_of_the_branch(chans, groups):
    assert torch.equal(_paths(IgcV2(chans, chans, groups=groups, act="none"), chans), torch.ones(chans, chans))


def test_v2_refuses_groups_that_never_mix():
    with pytest.raises(zoo.SpecError, match="8 channels in 8 groups never mix"):
        stem = {"kind": "conv", "out_chans": 8}
        zoo.ArchSpec(resolution=8, blocks=(stem, {"kind": "igc_v2", "out_chans": 8}))


@pytest.mark.parametrize("expand", [1.0, 6.0])
def test_v3_is_dense_over_super_channels(expand):
    paths = _paths(IgcV3(8, 12, expand=expand, act="none"), 8)
    assert torch.equal(paths, torch.full((8, 12), 8 * expand / 4))


def test_v3_shuffles_back():
    block, plain = IgcV3(8, 8), IgcV3(8, 8, shuffle_back=False)
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight)
    plain.load_state_dict(block.state_dict())
    x = torch.randn(2, 8, 5, 5)
    branch, same = block.eval()(x) - x, plain.eval()(x) - x
    torch.testing.assert_close(channel_shuffle(branch, 2), same)
    assert not torch.allclose(branch, same)


def test_v3_keeps_the_expansion_by_one():
    assert IgcV3(8, 4, expand=1.0).expand.conv.weight.shape == (8, 4, 1, 1)
