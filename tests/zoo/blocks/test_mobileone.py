import torch
import torch.nn.functional as F

from zoo.blocks.mobileone import MobileOne, MobileOneConv


def test_a_convolution_is_the_sum_of_its_normalised_branches(scramble):
    block, x = MobileOneConv(8, 8, groups=2, branches=2, act="none"), torch.randn(3, 8, 9, 7)
    scramble(block, x)

    def norm(y, layer):
        return F.batch_norm(y, layer.running_mean, layer.running_var, layer.weight, layer.bias)

    first, second, scale = block.branches
    expected = norm(x, block.identity)
    for branch, padding in ((first, 1), (second, 1), (scale, 0)):
        expected = expected + norm(F.conv2d(x, branch.conv.weight, padding=padding, groups=2), branch.norm)
    torch.testing.assert_close(block(x), expected)


def test_branches_are_where_the_paper_has_them():
    strided, plain = MobileOne(8, 8, stride=2, branches=4), MobileOne(8, 16, branches=4)
    assert strided.dw.identity is None and plain.dw.identity is not None
    assert strided.pw.identity is not None and plain.pw.identity is None
    assert len(plain.dw.branches) == 4 + 1  # the 1x1 scale
    assert len(plain.pw.branches) == 4


def test_stochastic_depth_drops_the_convolutions_and_keeps_the_normalised_input(scramble):
    block, x = MobileOneConv(8, 8, act="none"), torch.randn(2, 8, 5, 5)
    scramble(block, x)
    block.train()
    block.drop_path.rate = 1 - 1e-6
    torch.testing.assert_close(block(x), block.identity(x))
