import pytest
import torch
from pytorchcv.models.squeezenext import SqnxtUnit
from torch import nn

from zoo import BlockSpec, SpecError

_PARTS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def _built(in_chans, out_chans, stride=1, **options):
    return BlockSpec(kind="squeezenext", out_chans=out_chans, stride=stride, options=options).build(in_chans)


@pytest.mark.parametrize(("in_chans", "out_chans", "stride"), [(32, 64, 2), (64, 32, 1), (32, 32, 1)])
def test_without_biases_pytorchcvs_unit_is_the_block_with_the_row_first(in_chans, out_chans, stride, scramble):
    """pytorchcv has a bias in front of every batch norm and no turns: always 1x3 before 3x1."""
    reference = SqnxtUnit(in_chans, out_chans, stride)
    images = torch.randn(4, in_chans, 13, 9)
    scramble(reference, images)
    state = {}
    for name, value in reference.state_dict().items():
        part, _, rest = name.partition(".")
        ours = "shortcut" if part == "identity_conv" else f"body.{_PARTS.index(part)}"
        if rest == "conv.bias":
            reference.state_dict()[name].zero_()
        else:
            state[f"{ours}.{rest.replace('bn.', 'norm.')}"] = value
    block = _built(in_chans, out_chans, stride, column_first=False)
    block.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(block.eval()(images), reference(images), atol=1e-4, rtol=1e-4)


def test_the_order_of_the_one_dimensional_convolutions_is_an_option():
    for column_first, shapes in ((True, [(3, 1), (1, 3)]), (False, [(1, 3), (3, 1)])):
        convs = [m for m in _built(16, 16, column_first=column_first).modules() if isinstance(m, nn.Conv2d)]
        assert [conv.kernel_size for conv in convs if conv.kernel_size != (1, 1)] == shapes


def test_project_first_feeds_the_reductions_from_the_shortcut(scramble):
    block, x = _built(16, 32, 2, project_first=True), torch.randn(4, 16, 9, 9)
    scramble(block, x)
    with torch.no_grad():
        shortcut = block.shortcut(x)
        assert shortcut.shape == (4, 32, 5, 5)
        torch.testing.assert_close(block(x), (shortcut + block.body(shortcut)).relu())


def test_groups_are_in_the_first_reduction_and_in_the_one_dimensional_convolutions():
    block = _built(32, 64, 2, groups=2)
    assert [conv.groups for conv in block.body.modules() if isinstance(conv, nn.Conv2d)] == [2, 1, 2, 2, 1]
    assert block.shortcut.conv.groups == 1


def test_a_stride_turned_into_dilation_keeps_the_size_and_the_weights():
    strided, dilated = _built(16, 32, 2), _built(16, 32, dilation=2)
    dilated.load_state_dict(strided.state_dict())
    assert dilated(torch.randn(2, 16, 9, 7)).shape == (2, 32, 9, 7)


@pytest.mark.parametrize(("in_chans", "out_chans", "groups"), [(16, 18, 1), (15, 32, 2), (16, 20, 2)])
def test_channels_that_do_not_divide_are_refused(in_chans, out_chans, groups):
    with pytest.raises(SpecError, match="multiple"):
        _built(in_chans, out_chans, groups=groups)
