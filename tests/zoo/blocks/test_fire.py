import torch

from zoo import BlockSpec


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
