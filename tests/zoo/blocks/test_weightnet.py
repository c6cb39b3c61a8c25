import pytest
import torch
import torch.nn.functional as F

from zoo import BlockSpec, SpecError
from zoo.blocks.weightnet import WeightNetConv
from zoo.counting import complexity
from zoo.initialization import initialize

KIND = "weightnet_shuffle_v2"


def _built(in_chans, out_chans, stride=1, **options):
    return BlockSpec(kind=KIND, out_chans=out_chans, stride=stride, options=options).build(in_chans)


@pytest.mark.parametrize(("units", "groups"), [(2, 2), (4, 1), (8, 2)])
def test_each_sample_is_convolved_with_its_own_mixture_of_kernels(units, groups):
    conv = WeightNetConv(5, 6, 4, 3, stride=2, units=units, groups=groups)
    x, context = torch.randn(3, 6, 9, 8), torch.randn(3, 5, 1, 1)
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter)
    weight = conv.grouped_fc.weight.reshape(4 * groups, -1, units // groups)  # group, its part of a kernel, its units
    for i in range(3):
        sigmoids = torch.sigmoid(conv.fc.weight[:, :, 0, 0] @ context[i, :, 0, 0] + conv.fc.bias)
        kernel = torch.einsum("gwu,gu->gw", weight, sigmoids.reshape(4 * groups, -1)).reshape(4, 6, 3, 3)
        expected = F.conv2d(x[i : i + 1], kernel, stride=2, padding=1)
        torch.testing.assert_close(conv(x, context)[i : i + 1], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("in_chans", "stride"), [(20, 1), (12, 2)])
def test_with_its_sigmoids_saturated_the_unit_is_shufflenetv2s(in_chans, stride, scramble):
    plain = BlockSpec(
        kind="shuffle_v2", out_chans=20, stride=stride, options={"split": "rest", "shuffle": "input"}
    ).build(in_chans)
    x = torch.randn(3, in_chans, 9, 7)
    scramble(plain, x)
    block = _built(in_chans, 20, stride, units=1, groups=1).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        for branch in ("side", "main"):
            for ours, theirs in zip(getattr(block, branch), getattr(plain, branch).children(), strict=False):
                ours.conv.fc.bias.fill_(100.0)
                ours.conv.grouped_fc.weight.copy_(theirs.conv.weight.reshape(-1, 1, 1, 1))
                ours.norm.load_state_dict(theirs.norm.state_dict())
        torch.testing.assert_close(block(x), plain(x), atol=1e-5, rtol=1e-4)


def test_the_context_is_the_pooled_input_of_the_main_branch(scramble):
    block, x, seen = _built(20, 20), torch.randn(2, 20, 6, 6), []
    scramble(block, x)
    block.main[0].conv.fc.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    block(x)
    expected = torch.einsum("oi,ni->no", block.reduce.weight[:, :, 0, 0], x[:, 1::2].mean((2, 3)))
    torch.testing.assert_close(seen[0][:, :, 0, 0], expected + block.reduce.bias)


def test_a_unit_traced_for_one_image_refuses_two(scramble):
    block, x = _built(20, 20), torch.randn(2, 20, 6, 6)
    scramble(block, x)
    traced = torch.jit.trace(block, x[:1])
    torch.testing.assert_close(traced(x[1:]), block(x)[1:])
    with pytest.raises(RuntimeError):
        traced(x)


def test_computed_convolutions_are_counted():
    block, side, half, context = _built(40, 40), 6, 20, 16
    kernels = 2 * (context * 2 * half + half * half) + (context * half + half * 9)
    convolutions = side * side * (2 * half * half + 9 * half)
    assert complexity(block, (40, side, side)).macs == half * context + kernels + convolutions


def test_first_weights_shrink_with_the_kernel_that_they_make():
    block = _built(200, 200)
    initialize(block, "shufflenet")
    weight = block.main[0].conv.grouped_fc.weight
    assert weight.std().item() == pytest.approx(2 / 100, rel=0.05)  # G of 2, 100 inputs


@pytest.mark.parametrize(
    ("options", "message"), [({"units": 3}, "units"), ({"units": 3, "groups": 3}, "weights of an output channel")]
)
def test_units_and_groups_that_do_not_divide_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        _built(40, 40, **options)
