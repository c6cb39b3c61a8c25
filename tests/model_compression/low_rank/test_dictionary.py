import torch
from torch import nn

from model_compression.low_rank import DECOMPOSITIONS
from model_compression.low_rank.layers import effective_weight, relative_error

DICTIONARY = DECOMPOSITIONS.get("dictionary")()


def test_sums_of_few_separable_filters_are_found_exactly():
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 8, 5).double()
    columns, rows, sums = torch.randn(2, 5), torch.randn(2, 5), torch.randn(8, 6, 2)
    with torch.no_grad():
        conv.weight.copy_(torch.einsum("oim,ma,mb->oiab", sums, columns, rows))
    small = DICTIONARY.decompose(conv, (2,))
    assert relative_error(small, conv) < 1e-6


def test_one_filter_of_rank_one_is_reproduced():
    conv = nn.Conv2d(6, 8, 3).double()
    pattern = torch.outer(torch.randn(3), torch.randn(3))
    with torch.no_grad():
        conv.weight.copy_(torch.randn(8, 6)[..., None, None] * pattern)
    small = DICTIONARY.decompose(conv, (1,))
    torch.testing.assert_close(effective_weight(small, conv), conv.weight.detach(), atol=1e-5, rtol=1e-5)


def test_all_channels_share_the_filters():
    small = DICTIONARY.decompose(nn.Conv2d(6, 8, 3), (4,))
    columns = small[0].weight.reshape(6, 4, 3)
    torch.testing.assert_close(columns, columns[:1].expand_as(columns))
