import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zoo.blocks.dynamic_shift_max import DynamicShiftMax
from zoo.blocks.micro import Micro, MicroLite, MicroPointwise, MicroStem


def shuffled(x, groups):
    """The i-th channels of all groups side by side, group by group; written out."""
    per_group = x.shape[1] // groups
    order = [group * per_group + place for place in range(per_group) for group in range(groups)]
    return x[:, order]


def composed_kernel(vertical, horizontal):
    """The k x k kernel that a k x 1 and a depthwise 1 x k convolution make together: their outer products."""
    multiplier = horizontal.out_channels // horizontal.in_channels
    tall = vertical.weight.repeat_interleave(multiplier, 0)  # (out, in, k, 1)
    return tall * horizontal.weight


def scale_and_shift(norm, x):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return x * scale.view(-1, 1, 1) + (norm.bias - norm.running_mean * scale).view(-1, 1, 1)


def conv(layer, x):
    """A ConvNormAct without activation, by torch's functions."""
    c = layer.conv
    return scale_and_shift(layer.norm, F.conv2d(x, c.weight, None, c.stride, c.padding, c.dilation, c.groups))


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_factorised_depthwise_is_a_dense_kernel_of_rank_one(stride, dilation):
    torch.manual_seed(0)
    block = Micro(8, 8, stride=stride, kernel=5, dilation=dilation).eval()
    for layer in block.dw:
        nn.init.normal_(layer.conv.weight)
    vertical, horizontal = (layer.conv for layer in block.dw)
    kernel = composed_kernel(vertical, horizontal)
    assert kernel.shape == (48, 1, 5, 5)
    assert all(torch.linalg.matrix_rank(k[0]) == 1 for k in kernel)
    x = torch.randn(2, 48, 11, 14)
    expected = F.conv2d(x, kernel, None, stride, 2 * dilation, dilation, groups=48)
    torch.testing.assert_close(block.dw(x), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("multiplier", [2, 3])
def test_stem_is_a_dense_convolution_of_low_rank_shuffled_and_clipped(multiplier):
    torch.manual_seed(0)
    block = MicroStem(3, 12, multiplier=multiplier).eval()
    for layer in block.conv:
        nn.init.normal_(layer.conv.weight)
    kernel = composed_kernel(*(layer.conv for layer in block.conv))
    x = torch.randn(2, 3, 15, 20)
    expected = shuffled(F.conv2d(x, kernel, None, 2, 1), 12 // multiplier).clamp(0, 6)
    got = block(x)
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-4)
    assert got.min() == 0 and got.max() == 6


@pytest.mark.parametrize("dynamic_dw", [True, False])
@pytest.mark.parametrize("dynamic_project", [True, False])
def test_lite_block_by_the_definition(dynamic_dw, dynamic_project, scramble):
    torch.manual_seed(0)
    flags = {"dynamic_dw": dynamic_dw, "dynamic_project": dynamic_project}
    block = MicroLite(6, 6, groups=2, second=(0.5, 0.5), **flags)
    x = torch.randn(4, 6, 7, 9)
    scramble(block, x)
    with torch.no_grad():
        y = conv(block.dw[1], conv(block.dw[0], x))
        assert y.shape[1] == 6 * 2 * 2
        y = block.dw_act(y) if dynamic_dw else y.clamp(0, 6)
        y = shuffled(y, 6)
        y = shuffled(y, 12) if dynamic_dw else y
        y = conv(block.project, y)
        y = shuffled(block.project_act(y) if dynamic_project else y, 2)
        y = shuffled(y, 3) if dynamic_project else y
        torch.testing.assert_close(block(x), x + y, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dynamic_project", [True, False])
@pytest.mark.parametrize(("dynamic_expand", "dynamic_dw"), [(True, True), (False, True), (True, False), (False, False)])
def test_regular_block_by_the_definition(dynamic_expand, dynamic_dw, dynamic_project, scramble):
    torch.manual_seed(0)
    flags = {"dynamic_expand": dynamic_expand, "dynamic_dw": dynamic_dw, "dynamic_project": dynamic_project}
    block = Micro(8, 12, stride=2, expand=3, expand_groups=4, project_groups=6, **flags)
    x = torch.randn(4, 8, 7, 9)
    scramble(block, x)
    with torch.no_grad():
        y = conv(block.expand, x)
        assert y.shape[1] == 24
        y = shuffled(block.expand_act(y) if dynamic_expand else y.clamp(0, 6), 4)
        y = conv(block.dw[1], conv(block.dw[0], y))
        y = block.dw_act(y) if dynamic_dw else y.clamp(0, 6)
        if dynamic_expand or dynamic_dw:
            y = shuffled(y, 24 // 4 if dynamic_expand and dynamic_dw else 24 // 2)
        y = conv(block.project, y)
        y = shuffled(block.project_act(y) if dynamic_project else y, 6)
        y = shuffled(y, 12 // 2) if dynamic_project else y
        torch.testing.assert_close(block(x), y, atol=1e-4, rtol=1e-4)


def shift_groups(layer):
    """Groups of a shift, read from its index: a channel's partner is one place on in the next group."""
    chans = len(layer.index)
    wanted = layer.index.tolist()
    for groups in range(1, chans + 1):
        per_group = chans // groups
        if chans % groups == 0 and wanted == [
            (c // per_group + 1) % groups * per_group + (c % per_group + 1) % per_group for c in range(chans)
        ]:
            return groups
    raise AssertionError(wanted)


def test_shifts_go_by_the_groups_of_the_convolution_before_them():
    lite = MicroLite(8, 16, groups=4)
    assert [shift_groups(lite.dw_act), shift_groups(lite.project_act)] == [8, 4]
    regular = Micro(16, 24, expand=3, expand_groups=2, project_groups=6)
    # after the depthwise convolution the channels are shuffled: groups and places have changed their roles
    assert [shift_groups(a) for a in (regular.expand_act, regular.dw_act, regular.project_act)] == [2, 24, 6]
    assert shift_groups(MicroPointwise(8, 32, groups=8).act) == 8


def squeezed(activation):
    return activation.fc[0].out_channels


def test_reduction_is_halved_after_a_compression_alone():
    block = Micro(64, 64, expand=2, reduction=16)
    assert [squeezed(a) for a in (block.expand_act, block.dw_act, block.project_act)] == [8, 8, 8]
    assert squeezed(Micro(16, 128, expand=2, reduction=16).project_act) == 8
    assert squeezed(MicroPointwise(16, 128, reduction=16).act) == 8
    assert squeezed(MicroLite(16, 128, reduction=16).project_act) == 16


def test_only_shift_max_after_expansion_and_depthwise_takes_a_maximum():
    block = Micro(16, 16, second=(0.5, 0.25))
    assert [a.starts for a in (block.expand_act, block.dw_act)] == [((1.0, 0.0), (0.5, 0.25))] * 2
    assert block.project_act.starts == ((1.0, 0.0),)
    plain = Micro(16, 16, dynamic_expand=False, dynamic_dw=False, dynamic_project=False)
    assert not any(isinstance(layer, DynamicShiftMax) for layer in plain.modules())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Micro(6, 16), "input channels"),
        (lambda: Micro(8, 18), "output channels"),
        (lambda: Micro(8, 16, kernel=4), "odd"),
        (lambda: MicroLite(3, 8, multiplier=1), "middle channels"),
        (lambda: MicroLite(8, 9), "output channels"),
        (lambda: MicroStem(3, 9), "output channels"),
        (lambda: MicroPointwise(6, 16), "input channels"),
    ],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("expand", [0.3, 1.0, 3.7])
def test_any_expansion_is_rounded_so_that_all_groups_fit(expand):
    block = Micro(12, 10, expand=expand, expand_groups=6, project_groups=5).eval()
    assert block(torch.randn(1, 12, 8, 8)).shape == (1, 10, 8, 8)
