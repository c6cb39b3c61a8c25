import pytest
import torch
from torch import nn

from zoo import ArchSpec, BlockSpec, SpecError
from zoo.blocks.fbnet import FBNetBlock, Skip


@pytest.mark.parametrize("expand", [1.0, 3.0])
def test_the_shuffle_stands_before_the_depthwise_convolution_even_without_an_expansion(expand, scramble):
    images = torch.randn(2, 16, 9, 11)
    block = FBNetBlock(16, 16, kernel=5, expand=expand, groups=2)
    scramble(block, images)
    steps = nn.Sequential(block.expand, nn.ChannelShuffle(2), block.dw, block.project).eval()
    assert isinstance(block.expand, nn.Identity) == (expand == 1.0)
    with torch.no_grad():
        torch.testing.assert_close(block(images), images + steps(images))


@pytest.mark.parametrize(
    ("in_chans", "expand", "divisor", "mid_chans"),
    [
        (8, 5.4566, 8, 48),  # 43.7: 40 would be more than 5 % down
        (24, 1.7912, 8, 48),  # 43.0, the same
        (56, 4.1212, 8, 232),  # 230.8
        (12, 1.0, 8, 16),  # FBNetV3-A0: no multiple of 8, so there is an expansion
        (24, 5.4566, 1, 131),  # FBNetV2-L3
    ],
)
def test_middle_channels_are_rounded_at_most_five_percent_down(in_chans, expand, divisor, mid_chans):
    block = FBNetBlock(in_chans, 16, expand=expand, divisor=divisor)
    assert block.dw.conv.groups == mid_chans
    assert block.expand.conv.weight.shape[:2] == (mid_chans, in_chans)


@pytest.mark.parametrize(
    ("in_chans", "expand", "options", "reduced"),
    [
        (40, 3.0, {}, 32),  # FBNetV2: a quarter of 120 is 30
        (40, 3.0, {"se_of": "input"}, 16),  # FBNetV3: a quarter of 40 is 10, and 8 would be more than 5 % down
        (24, 5.4566, {"divisor": 1}, 32),  # a quarter of 131 is 32.75, cut off
    ],
)
def test_channels_of_squeeze_and_excitation(in_chans, expand, options, reduced):
    block = FBNetBlock(in_chans, 24, expand=expand, se_ratio=0.25, act="hard_swish", **options)
    assert block.se.reduce.out_channels == reduced
    assert isinstance(block.se.act, nn.Hardswish)
    assert isinstance(block.se.gate, nn.Hardsigmoid)


def test_bias_is_in_all_convolutions_or_in_none():
    for bias in (True, False):
        block = FBNetBlock(16, 24, bias=bias)
        assert [m.bias is not None for m in block.modules() if isinstance(m, nn.Conv2d)] == 3 * [bias]


@pytest.mark.parametrize(("zero_init", "out_chans", "starts_as_identity"), [(True, 16, True), (False, 16, False)])
def test_zero_init_makes_the_fresh_block_an_identity(zero_init, out_chans, starts_as_identity):
    options = {"zero_init": zero_init, "se_ratio": 0.25}
    spec = ArchSpec(resolution=16, blocks=(BlockSpec(kind="fbnet", out_chans=out_chans, options=options),))
    block = spec.build(in_chans=16, seed=0).blocks[0]
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(block(x), x) == starts_as_identity


def test_zero_init_leaves_a_block_without_a_residual_alive():
    spec = ArchSpec(resolution=16, blocks=(BlockSpec(kind="fbnet", out_chans=24, options={"zero_init": True}),))
    assert spec.build(seed=0).blocks[0].project.norm.weight.eq(1).all()


@pytest.mark.parametrize(
    ("kernel", "padding", "size"), [(5, None, 14), (5, 1, 13), (3, None, 14), (3, 0, 13), (3, 1, 14)]
)
def test_padding_sets_the_size_of_the_output(kernel, padding, size):
    block = FBNetBlock(8, 16, stride=2, kernel=kernel, padding=padding)
    assert block(torch.randn(2, 8, 28, 28)).shape == (2, 16, size, size)


def test_without_its_stride_a_block_keeps_the_size_and_computes_the_same_elsewhere(scramble):
    images = torch.randn(2, 8, 28, 28)
    strided = FBNetBlock(8, 16, stride=2, kernel=5, padding=1)
    scramble(strided, images)
    dense = FBNetBlock(8, 16, kernel=5, padding=1).eval()
    dense.load_state_dict(strided.state_dict())
    with torch.no_grad():
        got = dense(images)
        assert got.shape == (2, 16, 28, 28)
        torch.testing.assert_close(got[:, :, 1:-1:2, 1:-1:2], strided(images))  # one pixel less: one place further


@pytest.mark.parametrize(("in_chans", "out_chans", "expand"), [(9, 16, 8 / 3), (16, 9, 1.0)], ids=["input", "output"])
def test_groups_must_divide_the_channels(in_chans, out_chans, expand):
    stem = BlockSpec(kind="conv", out_chans=in_chans)
    block = BlockSpec(kind="fbnet", out_chans=out_chans, options={"groups": 2, "expand": expand})
    with pytest.raises(SpecError, match="must be a multiple of 2"):
        ArchSpec(resolution=16, blocks=(stem, block))


def test_skip_is_nothing_or_a_convolution_with_relu():
    x = torch.randn(2, 8, 7, 7)
    assert Skip(8, 8)(x) is x
    for skip, shape in ((Skip(8, 16), (2, 16, 7, 7)), (Skip(8, 8, stride=2), (2, 8, 4, 4))):
        assert [type(m).__name__ for m in skip.conv] == ["Conv2d", "BatchNorm2d", "ReLU"]
        assert skip.conv.conv.bias is None
        assert skip(x).shape == shape
