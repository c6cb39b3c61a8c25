import pytest
import torch
from pytorchcv.models.shufflenet import ShuffleUnit as PytorchcvV1
from pytorchcv.models.shufflenetv2b import ShuffleUnit as PytorchcvV2

from zoo import BlockSpec

_V1_PARTS = {
    "compress_conv1": "reduce.conv", "compress_bn1": "reduce.norm", "dw_conv2": "dw.conv", "dw_bn2": "dw.norm",
    "expand_conv3": "expand.conv", "expand_bn3": "expand.norm",
}  # fmt: skip
_V2_PARTS = {
    "conv1": "main.0", "dconv": "main.1", "conv2": "main.2", "shortcut_dconv": "side.0", "shortcut_conv": "side.1",
}  # fmt: skip


def _built(kind, in_chans, out_chans, stride=1, **options):
    return BlockSpec(kind=kind, out_chans=out_chans, stride=stride, options=options).build(in_chans)


def _renamed(state, parts):
    split = [(name.partition("."), value) for name, value in state.items()]
    return {f"{parts[part]}.{rest.replace('bn.', 'norm.')}": value for (part, _, rest), value in split}


@pytest.mark.parametrize(("in_chans", "stride"), [(48, 1), (16, 2)])
def test_ungrouped_v1_unit_is_pytorchcvs_with_its_branches_swapped(in_chans, stride, scramble):
    """pytorchcv puts the pooled input last and inside the ReLU, which does nothing to an input that is not negative."""
    reference = PytorchcvV1(in_chans, 48, groups=1, downsample=stride == 2, ignore_group=False)
    x = torch.rand(4, in_chans, 9, 7)
    scramble(reference, x)
    block = _built("shuffle_v1", in_chans, 48, stride, groups=1).eval()
    block.load_state_dict(_renamed(reference.state_dict(), _V1_PARTS))
    with torch.no_grad():
        expected = reference(x)
        if stride == 2:
            expected = torch.cat((expected[:, -in_chans:], expected[:, :-in_chans]), 1)
        torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-4)


def test_v1_shuffles_after_the_depthwise_convolution_so_that_every_group_sees_every_other(scramble):
    block, x = _built("shuffle_v1", 36, 36, groups=3), torch.randn(4, 36, 5, 5)
    scramble(block, x)
    with torch.no_grad():
        middle = block.dw(block.reduce(x))
        # the channels that leave a remainder of 0, of 1, of 2 when divided by the groups
        shuffled = torch.cat([middle[:, rest::3] for rest in range(3)], 1)
        torch.testing.assert_close(block(x), (x + block.expand(shuffled)).relu())
        changed = x.clone()
        changed[:, :12] += 1
        difference = block.expand[0](shuffled) - block.expand[0](
            torch.cat([block.dw(block.reduce(changed))[:, rest::3] for rest in range(3)], 1)
        )
        assert (difference.unflatten(1, (3, 12)).abs().amax((0, 2, 3, 4)) > 1e-3).all()


@pytest.mark.parametrize(("in_chans", "stride"), [(40, 1), (12, 2)])
def test_v2_unit_that_gives_the_main_branch_the_rest_is_pytorchcvs(in_chans, stride, scramble):
    reference = PytorchcvV2(
        in_chans, 40, downsample=stride == 2, use_se=False, use_residual=False, shuffle_group_first=True
    )
    x = torch.randn(4, in_chans, 9, 7)
    scramble(reference, x)
    block = _built("shuffle_v2", in_chans, 40, stride).eval()
    block.load_state_dict(_renamed(reference.state_dict(), _V2_PARTS))
    with torch.no_grad():
        torch.testing.assert_close(block(x), reference(x), atol=1e-5, rtol=1e-4)


def test_v2_shuffled_at_the_input_sends_odd_channels_through_the_main_branch(scramble):
    block, x = _built("shuffle_v2", 20, 20, shuffle="input"), torch.randn(4, 20, 9, 7)
    scramble(block, x)
    with torch.no_grad():
        torch.testing.assert_close(block(x), torch.cat((x[:, ::2], block.main(x[:, 1::2])), 1))
    strided = _built("shuffle_v2", 12, 20, 2, shuffle="input")
    scramble(strided, x[:, :12])
    with torch.no_grad():
        both = torch.cat((strided.side(x[:, :12]), strided.main(x[:, :12])), 1)
        torch.testing.assert_close(strided(x[:, :12]), both)
