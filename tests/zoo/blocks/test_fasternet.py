import pytest
import torch
import torch.nn.functional as F

import zoo
from zoo.blocks.fasternet import FasterNet


def test_a_quarter_of_the_channels_is_convolved_and_the_rest_goes_by(scramble):
    block, x = FasterNet(12, 12), torch.randn(2, 12, 7, 9)
    scramble(block, x)
    mixed = x.clone()
    mixed[:, :3] = F.conv2d(x[:, :3], block.conv.weight, padding=1)  # what the authors call slicing
    middle = F.conv2d(mixed, block.expand.conv.weight)
    hidden = block.expand.norm(middle).relu()
    torch.testing.assert_close(block(x), x + F.conv2d(hidden, block.project.weight))
    assert block.conv.weight.shape == (3, 3, 3, 3)


def test_merging_takes_patches_that_do_not_overlap(scramble):
    block, x = FasterNet(8, 16, stride=2), torch.randn(1, 8, 9, 11)  # the last row and column are in no patch
    scramble(block, x)
    torch.nn.init.zeros_(block.project.weight)
    patches = F.unfold(x, 2, stride=2)
    expected = (block.merge.conv.weight.flatten(1) @ patches).view(1, 16, 4, 5)
    torch.testing.assert_close(block(x), block.merge.norm(expected))


def test_too_few_channels_to_convolve_some_are_refused():
    with pytest.raises(zoo.SpecError, match="8 channels cannot be divided by 16"):
        zoo.BlockSpec(kind="fasternet", out_chans=8, options={"partial": 16}).build(8)
    with pytest.raises(zoo.SpecError, match="leaves none"):
        zoo.BlockSpec(kind="fasternet", out_chans=8, options={"expand": 0.1}).build(8)
