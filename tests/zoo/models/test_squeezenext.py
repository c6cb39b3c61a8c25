import pytest
import torch
from torch import nn

import zoo


def _convs(name: str) -> list[nn.Conv2d]:
    return [m for m in zoo.create_model(name).modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("name", ["sqnxt23_w1", "sqnxt23v5_w2"])
def test_3x1_and_1x3_take_turns_block_by_block(name):
    """pytorchcv's port does not; the authors' Caffe files do, from the first block on."""
    shapes = [conv.kernel_size for conv in _convs(name) if conv.kernel_size in ((3, 1), (1, 3))]
    turns = [(3, 1), (1, 3), (1, 3), (3, 1)]
    assert shapes == (turns * 11)[:42]


@pytest.mark.parametrize(
    ("name", "stem", "stages", "convs"),
    [
        ("sqnxt23_w1", 7, (32, 64, 128, 256), 111),
        ("sqnxt23v5_w1", 5, (32, 64, 128, 256), 111),
        ("sqnxt23_w2", 7, (64, 128, 256, 512), 111),
        ("sqnxt23v5_w2", 5, (64, 128, 256, 512), 111),
    ],
)
def test_the_files_have_111_convolutions_and_neither_stem_nor_last_one_grows(name, stem, stages, convs):
    network = zoo.create_model(name)
    found = _convs(name)
    assert len(found) == convs
    assert found[0].kernel_size == (stem, stem) and found[0].padding == (0, 0)
    assert found[0].out_channels == 64 and found[-1].out_channels == 128
    assert not any(conv.bias is not None for conv in found) and network.get_classifier().bias is None
    assert tuple(dict.fromkeys(b.out_chans for b in network.spec.blocks if b.kind == "squeezenext")) == stages


def test_a_caffe_image_of_227_pixels_ends_in_maps_of_55_28_14_7():
    """Convolution without padding, pooling that keeps the last partial window."""
    for name, first in (("sqnxt23_w1", (111, 55)), ("sqnxt23v5_w1", (112, 56))):
        sizes = [shape[1] for shape in zoo.get_spec(name).shapes]
        assert tuple(dict.fromkeys(sizes)) == (*first, 28, 14, 7)


def test_the_g_network_has_groups_of_two_in_three_convolutions_a_block():
    groups = [conv.groups for conv in _convs("sqnxt23g_w1")]
    assert groups.count(2) == 3 * 21 and groups.count(1) == 111 - 3 * 21


def test_v5_reduces_what_the_projection_gives_where_23_reduces_the_input():
    for name, reduced in (("sqnxt23_w1", 64), ("sqnxt23v5_w1", 32)):
        first = next(b for b in zoo.create_model(name).blocks if hasattr(b, "shortcut"))
        assert first.shortcut.conv.in_channels == 64
        assert first.body[0].conv.in_channels == reduced


def test_the_resolution_can_be_kept_from_stride_8_on():
    network = zoo.create_model("sqnxt23_w1", output_stride=8).eval()
    assert network.forward_features(torch.randn(1, 3, 99, 99)).shape[2:] == (12, 12)
