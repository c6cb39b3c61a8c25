import torch
import torch.nn.functional as F
from torch import nn

from zoo.blocks.star import Star


def test_the_block_is_a_product_of_two_linear_maps_of_which_one_is_bent(scramble):
    block, x = Star(6, 6, expand=3.0), torch.randn(2, 6, 9, 8)
    scramble(block, x)

    def conv(y, layer, **options):
        return F.conv2d(y, layer.weight, layer.bias, **options)

    y = block.dw.norm(conv(x, block.dw.conv, padding=3, groups=6))
    star = conv(y, block.left).clamp(0, 6) * conv(y, block.right)
    y = block.project.norm(conv(star, block.project.conv))
    torch.testing.assert_close(block(x), x + conv(y, block.last_dw, padding=3, groups=6))


def test_there_is_no_norm_between_the_branches_and_their_product_nor_at_the_end():
    norms = [name for name, layer in Star(6, 6).named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms == ["dw.norm", "project.norm"]


def test_only_a_change_of_shape_is_prepared_by_a_convolution():
    assert isinstance(Star(6, 6).down, nn.Identity)
    for block in (Star(6, 8), Star(6, 6, stride=2)):
        assert block.down.conv.kernel_size == (3, 3) and block.down.conv.bias is not None
