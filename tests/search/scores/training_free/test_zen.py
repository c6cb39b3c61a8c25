import math

import pytest
import torch

from zoo import ArchSpec, BlockSpec


def network(*, norm: bool):
    options = {"kernel": 1, "act": "none", "norm": norm, "bias": False}
    blocks = [BlockSpec(kind="conv", out_chans=chans, options=options) for chans in (128, 64)]
    return ArchSpec(resolution=16, blocks=tuple(blocks)).build(5, 3, seed=0)


@pytest.mark.parametrize("norm", [False, True])
def test_linear_layers_score_the_mean_of_a_normal_variable(score, norm):
    # A row of products of Gaussian weights has a length of about sqrt(3 * 128), so the difference of each of the 64
    # channels at 256 pixels is normal with 0.01 times that deviation. What a norm divides by it gives back.
    expected = math.log(0.01 * math.sqrt(3 * 128) * math.sqrt(2 / math.pi) * 64 * 256)
    images = torch.zeros(16, 3, 16, 16)
    value = score("zen", network(norm=norm), images, torch.zeros(16, dtype=torch.int64))
    assert value == pytest.approx(expected, abs=0.25)


def test_norms_change_nothing_where_channels_are_alike(score):
    images, labels = torch.zeros(16, 3, 16, 16), torch.zeros(16, dtype=torch.int64)
    plain, normed = (score("zen", network(norm=norm), images, labels) for norm in (False, True))
    assert normed == pytest.approx(plain, abs=0.25)


def test_only_the_shape_of_images_matters(score, batch):
    images, labels = batch
    wide = network(norm=True)
    assert score("zen", wide, images, labels) == score("zen", wide, 5 - images, 4 - labels)
