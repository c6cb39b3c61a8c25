import pytest
import torch
from torch import nn

import zoo
from zoo.heads.channel_wise import ChannelWiseHead
from zoo.timm_import import timm  # noqa: F401  before pytorchcv

from pytorchcv.models.channelnet import ChannelNet  # isort: skip

SEPARABLE = "channet_dws_conv_block"


def authors_layers() -> nn.Module:
    """The layers of the authors' last code by pytorchcv, without the concatenations that the paper does not have."""
    pairs = [["channet_conv3x3", SEPARABLE], *[[SEPARABLE, SEPARABLE]] * 2]
    middle = [[SEPARABLE, "simple_group_block"], ["conv_group_block", "conv_group_block"]]
    return ChannelNet(
        channels=[[[32, 64]], [[128, 128]], [[256, 256]], [[512, 512], [512, 512]], [[1024, 1024]]],
        block_names=[*[[pair] for pair in pairs], middle, [[SEPARABLE, SEPARABLE]]],
        merge_types=[["seq"], ["seq"], ["seq"], ["add", "add"], ["seq"]],
    )


def weights(network: nn.Module) -> list[int]:
    return sorted(p.numel() for p in network.parameters())


def test_v1_has_the_layers_of_the_authors_code():
    assert weights(zoo.create_model("channelnet_v1")) == weights(authors_layers())


def test_v2_and_v3_save_the_last_pointwise_convolution_and_the_classifier():
    with torch.device("meta"):
        first, second, third = (sum(weights(zoo.create_model(f"channelnet_v{version}"))) for version in (1, 2, 3))
    assert first - second == 1024 * 1024 + 2 * 1024 - 64  # pointwise and its BN, for a kernel of 64 channels
    assert second - third == 1024 * 1000 + 1000 - 7 * 7 * 25  # linear layer, for one kernel


@pytest.mark.parametrize("classes", [5, 12])
def test_the_classifier_is_a_3d_convolution_as_large_as_the_map(classes):
    head = ChannelWiseHead(12, classes)
    reference = nn.Conv3d(1, 1, (12 - classes + 1, 7, 7), bias=False)
    with torch.no_grad():
        head.classifier.weight.copy_(reference.weight.flatten(3))
        x = torch.randn(3, 12, 7, 7)
        torch.testing.assert_close(head(x), reference(x.unsqueeze(1)).flatten(1))


def test_the_classifier_refuses_more_classes_than_channels():
    with pytest.raises(zoo.SpecError, match="1025 classes of 1024 channels"):
        zoo.create_model("channelnet_v3", num_classes=1025)
