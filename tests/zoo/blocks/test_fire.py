import pytest
import torch
from torch import nn

from zoo import BlockSpec
from zoo.blocks.fire import Fire
from zoo.timm_import import torchvision


def _built(in_chans, out_chans, scramble, **options):
    block = BlockSpec(kind="fire", out_chans=out_chans, **options).build(in_chans)
    scramble(block, torch.randn(4, in_chans, 9, 7))
    return block


def test_the_complex_bypass_is_a_convolution_where_the_channels_change_and_a_wire_elsewhere(scramble):
    changes = _built(16, 32, scramble, options={"bypass": "complex"})
    stays = _built(32, 32, scramble, options={"bypass": "complex"})
    assert [tuple(p.shape) for p in changes.bypass.parameters()] == [(32, 16, 1, 1), (32,)]
    assert not list(stays.bypass.parameters())
    x = torch.randn(2, 16, 9, 7)
    squeezed = changes.squeeze(x)
    fire = torch.cat((changes.expand1x1(squeezed), changes.expand3x3(squeezed)), 1)
    weight, bias = changes.bypass.parameters()
    wire = torch.einsum("oi,nihw->nohw", weight[:, :, 0, 0], x) + bias[:, None, None]
    torch.testing.assert_close(changes(x), fire + wire, atol=1e-5, rtol=1e-5)


def test_the_simple_bypass_adds_the_input_only_where_the_shape_stays(scramble):
    x = torch.randn(2, 32, 9, 7)
    stays = _built(32, 32, scramble, options={"bypass": "simple"})
    without = _built(32, 32, scramble)
    without.load_state_dict(stays.state_dict())
    torch.testing.assert_close(stays(x), without(x) + x)
    for changed in ({"out_chans": 48}, {"out_chans": 32, "stride": 2}):
        block = BlockSpec(kind="fire", options={"bypass": "simple"}, **changed).build(32)
        plain = BlockSpec(kind="fire", **changed).build(32)
        scramble(block, x)
        plain.load_state_dict(block.state_dict())
        torch.testing.assert_close(block(x), plain(x))


@pytest.mark.parametrize(("out_chans", "ratio", "squeezed"), [(16, 0.125, 2), (24, 0.5, 12)])
def test_without_a_bypass_it_is_torchvisions(out_chans, ratio, squeezed, assert_same_function):
    reference = torchvision.models.squeezenet.Fire(12, squeezed, out_chans // 2, out_chans // 2)
    assert_same_function(reference, Fire(12, out_chans, squeeze_ratio=ratio), torch.randn(4, 12, 9, 7))


@pytest.mark.parametrize(("norm", "biases", "norms"), [(False, 3, 0), (True, 0, 3)])
def test_norm_takes_the_place_of_biases(norm, biases, norms):
    layers = list(Fire(12, 16, norm=norm).modules())
    assert sum(layer.bias is not None for layer in layers if isinstance(layer, nn.Conv2d)) == biases
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in layers) == norms


@pytest.mark.parametrize(
    ("build", "message"),
    [(lambda: Fire(12, 15), "output channels"), (lambda: Fire(12, 16, squeeze_ratio=0.01), "leaves none")],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
