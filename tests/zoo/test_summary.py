import re

import pytest

import zoo
from zoo.summary import notation, stages, summarize


@pytest.mark.parametrize("name", ["ghostnet_050", "squeezenet1_1", "shufflenet_v2_x0_5"])
def test_the_parts_add_up_to_the_network(name):
    spec, info = zoo.get_spec(name), zoo.model_info(name)
    blocks, head = summarize(spec)
    assert [part.out_shape for part in blocks] == list(spec.shapes)
    for parts in (blocks, stages(blocks)):
        assert sum(p.params for p in parts) + head.params == info.params
        assert sum(p.macs for p in parts) + head.macs == info.macs


def test_a_stage_is_what_shares_a_resolution():
    blocks, _ = summarize(zoo.get_spec("mobilenetv2_100"))
    found = stages(blocks)
    assert [part.out_shape[1] for part in found] == [112, 56, 28, 14, 7]
    assert found[3].name == "7 inverted_residual"


def test_macs_of_a_block_equal_the_formula():
    spec = zoo.ArchSpec(resolution=8, blocks=(zoo.BlockSpec(kind="conv", out_chans=4, stride=2),))
    (conv,), head = summarize(spec, num_classes=5, in_chans=1)
    assert (conv.params, conv.macs) == (4 * 9 + 2 * 4, 4 * 4 * 4 * 9)
    assert (head.params, head.macs, head.out_shape) == (4 * 5 + 5, 4 * 5, (5,))


def test_a_network_reads_in_one_line():
    assert notation(zoo.get_spec("mobilenetv1_025")) == (
        "224px | conv8 relu6, depthwise_separable16 | depthwise_separable32x2 | depthwise_separable64x2 | "
        "depthwise_separable128x6 | depthwise_separable256x2"
    )
    options = {"kernel": 5, "expand": 3.0, "se_ratio": 0.25, "act": "hard_swish"}
    blocks = (
        zoo.BlockSpec(kind="conv", out_chans=16, options={"kernel": 1}),
        zoo.BlockSpec(kind="conv", out_chans=32, stride=4),
        zoo.BlockSpec(kind="inverted_residual", out_chans=48, options=options),
        zoo.BlockSpec(kind="inverted_residual", out_chans=48, options=options),
    )
    text = notation(zoo.ArchSpec(resolution=32, blocks=blocks))
    assert text == "32px conv16 k1 |4 conv32, inverted_residual48x2 hard_swish e3 k5 se0.25"


@pytest.mark.parametrize("name", ["ghostnet_100", "squeezenet1_1", "shufflenet_v2_x0_5", "mobilenetv2_100"])
def test_a_line_tells_of_all_blocks_in_order(name):
    spec = zoo.get_spec(name)
    resolution, line = notation(spec).split("px", maxsplit=1)
    assert int(resolution) == spec.resolution
    blocks = []
    for bar, kind, chans, count in re.findall(r"(\||,|^) ([a-z_]+(?:[0-9]+-)?)([0-9]+)(?:x([0-9]+))?", line):
        first = (kind.removesuffix("-"), int(chans), 2 if bar == "|" else 1)
        blocks += [first, *[(*first[:2], 1)] * (int(count or 1) - 1)]
    assert blocks == [(block.kind, block.out_chans, block.stride) for block in spec.blocks]
