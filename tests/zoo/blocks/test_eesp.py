import pytest
import torch
from torch import nn

from zoo import BlockSpec, SpecError
from zoo.blocks.eesp import Eesp, dilations
from zoo.timm_import import timm  # noqa: F401  before pytorchcv

from pytorchcv.models.espnetv2 import DownsampleBlock, ESPBlock  # isort: skip


class OnlyMap(nn.Module):
    """A unit of pytorchcv, which returns the map and the pooled image, or one of ours, on one image for both."""

    def __init__(self, unit: nn.Module, image_chans: int) -> None:
        super().__init__()
        self.unit, self.image_chans = unit, image_chans

    def forward(self, x):
        out = self.unit(x, x[:, : self.image_chans])
        return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize(
    ("receptive_field", "expected"),
    [(13, [1, 2, 3, 4]), (9, [1, 2, 3, 4]), (7, [1, 1, 2, 3]), (5, [1, 1, 1, 2]), (3, [1, 1, 1, 1])],
)
def test_dilations_ascend_and_those_beyond_the_receptive_field_fall_back_to_one(receptive_field, expected):
    assert dilations(4, receptive_field) == expected


def test_a_unit_is_pytorchcvs(assert_same_function):
    reference = OnlyMap(ESPBlock(32, 32, stride=1, dilations=[1, 1, 2, 3]), 3)
    assert_same_function(reference, OnlyMap(Eesp(32, 32), 3), torch.randn(4, 32, 17, 12))


def test_a_strided_unit_with_the_image_is_pytorchcvs(assert_same_function):
    reference = OnlyMap(DownsampleBlock(16, 48, x0_channels=3, dilations=[1, 2, 3, 4]), 3)
    ours = Eesp(16, 48, image_chans=3, stride=2, receptive_field=9, image_pools=1)
    assert_same_function(reference, OnlyMap(ours, 3), torch.randn(4, 16, 17, 12))


def test_without_the_image_a_unit_owns_no_layers_for_it():
    with_image, without = (Eesp(16, 48, stride=2, image_pools=pools) for pools in (1, 0))
    image_layers = 3 * 3 * 9 + 2 * 3 + 3 + 3 * 48 + 2 * 48  # 3x3, BN, PReLU, 1x1, BN
    count = [sum(p.numel() for p in unit.parameters()) for unit in (with_image, without)]
    assert count[0] - count[1] == image_layers


@pytest.mark.parametrize(
    ("in_chans", "chans", "stride", "options", "reason"),
    [
        (16, 16, 2, {}, "stride 2 must widen: 16 in, 16 out"),
        (16, 34, 2, {}, r"output less input channels \(18\) must be a multiple of 4"),
        (16, 18, 1, {}, r"output channels \(18\) must be a multiple of 4"),
        (16, 16, 1, {"image_pools": 1}, "only a unit of stride 2 adds the image"),
    ],
)
def test_what_cannot_be_built_says_why(in_chans, chans, stride, options, reason):
    with pytest.raises(SpecError, match=reason):
        BlockSpec(kind="eesp", out_chans=chans, stride=stride, options=options).build(in_chans)
