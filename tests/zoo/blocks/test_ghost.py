import pytest
import torch
import torch.nn.functional as F

from zoo.blocks.ghost import Ghost, GhostModule, halve
from zoo.timm_import import timm

IMAGES = torch.randn(4, 8, 11, 14, generator=torch.Generator().manual_seed(0))
GhostBottleneck = timm.models.ghostnet.GhostBottleneck


@pytest.mark.parametrize(
    ("out_chans", "stride", "kernel", "se_ratio"),
    [(8, 1, 3, 0.0), (12, 1, 5, 0.0), (12, 2, 5, 0.25), (8, 2, 3, 0.0), (8, 1, 3, 0.5)],
)
def test_is_timms_bottleneck(out_chans, stride, kernel, se_ratio, assert_same_function):
    reference = GhostBottleneck(8, 24, out_chans, kernel, stride, se_ratio=se_ratio)
    ours = Ghost(8, out_chans, stride=stride, kernel=kernel, expand=3.0, se_ratio=se_ratio)
    assert_same_function(reference, ours, IMAGES)


def test_attentions_channels_are_a_multiple_of_four():
    assert Ghost(8, 8, expand=9.0, se_ratio=0.25).se.reduce.out_channels == 20  # of 18


@pytest.mark.parametrize(("ratio", "out_chans"), [(2, 7), (3, 9), (4, 10)])
def test_module_makes_one_part_and_computes_the_others_cheaply_from_it(ratio, out_chans, scramble):
    module = GhostModule(8, out_chans, ratio=ratio, cheap_kernel=3, act="relu")
    scramble(module, IMAGES)
    primary_chans = -(-out_chans // ratio)
    with torch.no_grad():
        y = module(IMAGES)
        primary = y[:, :primary_chans]
        torch.testing.assert_close(primary, module.primary(IMAGES))
        # each further channel is a 3x3 filter of a single one of the first
        conv, norm = module.cheap.conv, module.cheap.norm
        for index in range(out_chans - primary_chans):
            source = primary[:, index // (ratio - 1), None]
            filtered = F.conv2d(source, conv.weight[index, None], padding=1)[:, 0]
            filtered = (filtered - norm.running_mean[index]) / (norm.running_var[index] + norm.eps).sqrt()
            expected = (filtered * norm.weight[index] + norm.bias[index]).clamp(min=0)
            torch.testing.assert_close(y[:, primary_chans + index], expected, atol=1e-5, rtol=1e-4)
    assert y.shape[1] == out_chans


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
