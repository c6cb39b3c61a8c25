import pytest
import torch
from torch import nn

from zoo import BlockSpec, SpecError
from zoo.timm_import import timm

FORMS = {"ExtraDW": (5, 3), "inverted bottleneck": (0, 5), "ConvNext": (3, 0), "FFN": (0, 0)}


def ours(out_chans: int = 16, stride: int = 1, **options: object) -> nn.Module:
    spec = BlockSpec(kind="universal_inverted_bottleneck", out_chans=out_chans, stride=stride, options=options)
    return spec.build(16)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("out_chans", [16, 24])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_computes_what_timms_does(form, out_chans, stride, assert_same_function):
    start, mid = FORMS[form]
    if stride > 1 and not start and not mid:
        return  # refused, see below
    reference = timm.models._efficientnet_blocks.UniversalInvertedResidual(
        16, out_chans, start, mid, stride=stride, exp_ratio=3, layer_scale_init_value=None
    )
    block = ours(out_chans, stride, start_kernel=start, mid_kernel=mid, expand=3.0)
    nn.init.normal_(next(block.parameters()))
    assert_same_function(reference, block, torch.randn(4, 16, 9, 12))


@pytest.mark.parametrize(("start", "mid", "full_size"), [(3, 3, True), (3, 0, False)])
def test_the_stride_is_in_the_middle_where_there_is_a_choice(start, mid, full_size):
    block = ours(stride=2, start_kernel=start, mid_kernel=mid).to("meta")
    assert (block.dw_start(torch.empty(1, 16, 8, 8, device="meta")).shape[2] == 8) == full_size


def test_parameters_by_hand():
    # 16 -> 64 -> 24 with 5x5 before and 3x3 behind the expansion, two values of batch norm a channel
    counted = sum(p.numel() for p in ours(24, start_kernel=5, mid_kernel=3, expand=4.0).parameters())
    assert counted == 25 * 16 + 16 * 64 + 9 * 64 + 64 * 24 + 2 * (16 + 64 + 64 + 24)


def test_without_a_depthwise_convolution_there_is_no_stride():
    with pytest.raises(SpecError, match="stride needs a start_kernel or a mid_kernel"):
        ours(stride=2, start_kernel=0, mid_kernel=0)
