import pytest
import torch
from torch import nn

from zoo import ArchSpec, BlockSpec, SpecError
from zoo.blocks.esp import Esp
from zoo.timm_import import timm  # noqa: F401  before pytorchcv

from pytorchcv.models.common.norm import lambda_batchnorm2d  # isort: skip
from pytorchcv.models.espcnet import ESPBlock  # isort: skip


@pytest.mark.parametrize(("in_chans", "out_chans", "stride"), [(32, 32, 1), (20, 32, 1), (19, 64, 2)])
def test_a_module_is_pytorchcvs(in_chans, out_chans, stride, assert_same_function):
    reference = ESPBlock(
        in_chans,
        out_chans,
        downsample=stride == 2,
        residual=in_chans == out_chans,
        normalization=lambda_batchnorm2d(1e-5),
    )
    assert_same_function(reference, Esp(in_chans, out_chans, stride=stride), torch.randn(4, in_chans, 33, 20))


def test_the_first_branch_takes_the_channels_that_five_do_not_divide():
    widths = [conv.out_channels for conv in Esp(64, 64).branches]
    assert widths == [16, 12, 12, 12, 12]
    assert [conv.dilation[0] for conv in Esp(64, 64).branches] == [1, 2, 4, 8, 16]


def stage(chans: int, **options: object) -> ArchSpec:
    return ArchSpec(resolution=33, blocks=(BlockSpec(kind="esp_stage", out_chans=chans, stride=2, options=options),))


def test_a_stage_ends_in_the_pooled_image_whatever_the_size():
    network = stage(19, first="conv", repeats=0, image_pools=1).build(2).eval()
    network.blocks[0].norm_act = nn.Identity()
    image = torch.rand(1, 3, 33, 46)
    out = network.forward_features(image)
    assert out.shape == (1, 19, 17, 23)
    inner = image[:, :, 1:-1, 1:-1].unfold(2, 3, 2).unfold(3, 3, 2).mean((4, 5))  # windows that miss the border
    torch.testing.assert_close(out[:, -3:, 1:-1, 1:-1], inner)


def test_a_stage_shares_its_channels_among_both_modules_and_any_image():
    spec = stage(131, repeats=1, image_pools=1)
    for image_chans, own in ((3, 64), (1, 65)):
        assert spec.build(2, in_chans=image_chans).blocks[0].first.norm_act[0].num_features == own
    with pytest.raises(SpecError, match=r"output channels less the image's \(129\) must be a multiple of 2"):
        stage(132, repeats=1, image_pools=1)


def test_an_image_of_another_size_is_refused():
    with pytest.raises(SpecError, match="cannot run on 33x33 pixels"):
        stage(131, image_pools=2)
