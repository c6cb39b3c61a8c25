import pytest
import torch
import torch.nn.functional as F

from zoo.blocks.ghost import Ghost, GhostModule, halve
from zoo.timm_import import timm


@pytest.mark.parametrize("size", [(14, 14), (7, 9), (2, 3)])
def test_the_gated_module_is_timms_with_odd_channels_and_odd_maps(size, assert_same_function):
    ours = GhostModule(6, 11, ratio=2, cheap_kernel=3, act="relu", attention=True)
    assert_same_function(timm.models.ghostnet.GhostModuleV2(6, 11), ours, torch.randn(4, 6, *size))


def test_an_open_gate_leaves_the_plain_module_and_a_shut_one_nothing(scramble):
    module, x = GhostModule(6, 8, ratio=2, cheap_kernel=3, act="relu", attention=True), torch.randn(2, 6, 8, 8)
    scramble(module, x)
    last_norm = module.attention[2].norm
    torch.nn.init.zeros_(last_norm.weight)
    plain = torch.cat((module.primary(x), module.cheap(module.primary(x))), 1)
    for bias, factor in ((100.0, 1.0), (-100.0, 0.0)):
        torch.nn.init.constant_(last_norm.bias, bias)
        torch.testing.assert_close(module(x), plain * factor)


def test_halving_is_the_average_of_two_by_two_pixels_but_for_single_ones():
    x = torch.randn(2, 3, 7, 5)
    assert torch.equal(halve(x), F.avg_pool2d(x, 2))
    row = x[:, :, :1]
    assert torch.equal(halve(row), F.avg_pool2d(row, (1, 2)))
    assert torch.equal(halve(x[:, :, :1, :1]), x[:, :, :1, :1])


@pytest.mark.parametrize("stride", [1, 2])
def test_a_map_of_one_pixel_goes_through_the_gated_block(stride):
    block = Ghost(8, 12, stride=stride, attention=True).eval()
    assert block(torch.randn(1, 8, 1, 1)).shape == (1, 12, 1, 1)
