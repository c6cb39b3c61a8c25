import pytest
import torch
from torch import nn

from zoo.blocks.fire import Fire
from zoo.timm_import import torchvision

IMAGES = torch.randn(4, 12, 11, 14, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("out_chans", "ratio", "squeezed"), [(16, 0.125, 2), (24, 0.5, 12)])
def test_is_torchvisions(out_chans, ratio, squeezed, assert_same_function):
    reference = torchvision.models.squeezenet.Fire(12, squeezed, out_chans // 2, out_chans // 2)
    assert_same_function(reference, Fire(12, out_chans, squeeze_ratio=ratio), IMAGES)


def test_norm_takes_the_place_of_biases():
    plain, normed = Fire(12, 16), Fire(12, 16, norm=True)
    for block, biases, norms in ((plain, 3, 0), (normed, 0, 3)):
        convs = [layer for layer in block.modules() if isinstance(layer, nn.Conv2d)]
        assert sum(conv.bias is not None for conv in convs) == biases
        assert sum(isinstance(layer, nn.BatchNorm2d) for layer in block.modules()) == norms


def test_simple_bypass_adds_the_input_where_the_shape_stays(scramble):
    block = Fire(12, 12, squeeze_ratio=0.5, bypass="simple")
    scramble(block, IMAGES)
    plain = Fire(12, 12, squeeze_ratio=0.5).eval()
    plain.load_state_dict(block.state_dict())
    torch.testing.assert_close(block(IMAGES), plain(IMAGES) + IMAGES)
    assert Fire(12, 16, bypass="simple").bypass is None
    assert Fire(12, 12, squeeze_ratio=0.5, stride=2, bypass="simple").bypass is None


@pytest.mark.parametrize(("out_chans", "stride"), [(16, 1), (12, 2)])
def test_complex_bypass_adds_a_pointwise_convolution_elsewhere(out_chans, stride, scramble):
    block = Fire(12, out_chans, stride=stride, squeeze_ratio=0.5, bypass="complex")
    scramble(block, IMAGES)
    plain = Fire(12, out_chans, stride=stride, squeeze_ratio=0.5).eval()
    plain.load_state_dict({k: v for k, v in block.state_dict().items() if not k.startswith("bypass")})
    weight, bias = block.bypass.weight[:, :, 0, 0], block.bypass.bias
    bypass = torch.einsum("oc,nchw->nohw", weight, IMAGES[:, :, ::stride, ::stride]) + bias.view(-1, 1, 1)
    torch.testing.assert_close(block(IMAGES), plain(IMAGES) + bypass, atol=1e-5, rtol=1e-4)
    assert isinstance(Fire(12, 12, squeeze_ratio=0.5, bypass="complex").bypass, nn.Identity)


@pytest.mark.parametrize(
    ("build", "message"),
    [(lambda: Fire(12, 15), "output channels"), (lambda: Fire(12, 16, squeeze_ratio=0.01), "leaves none")],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
