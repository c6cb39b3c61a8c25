import pytest

import zoo
from zoo.summary import stages, summarize


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
