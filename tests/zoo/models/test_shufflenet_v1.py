import pytest

import zoo

_AUTHORS = {  # megvii-model/ShuffleNet-Series, stage_out_channels by groups and width
    "g3_050": (12, 120, 240, 480), "g3_100": (24, 240, 480, 960),
    "g3_150": (24, 360, 720, 1440), "g3_200": (48, 480, 960, 1920),
    "g8_050": (16, 192, 384, 768), "g8_100": (24, 384, 768, 1536),
    "g8_150": (24, 576, 1152, 2304), "g8_200": (48, 768, 1536, 3072),
}  # fmt: skip
_TABLE_1 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


@pytest.mark.parametrize(("name", "chans"), _AUTHORS.items())
def test_channels_are_the_authors(name, chans):
    spec = zoo.get_spec("shufflenet_v1_" + name)
    assert tuple(dict.fromkeys(block.out_chans for block in spec.blocks)) == chans


@pytest.mark.parametrize("groups", _TABLE_1)
def test_there_is_every_width_within_a_tenth_of_table_1(groups):
    for width in (0.25, 0.5, 1.0, 1.5, 2.0):
        blocks = zoo.get_spec(f"shufflenet_v1_g{groups}_{round(width * 100):03}").blocks
        units = [block for block in blocks if block.kind == "shuffle_v1"]
        assert len(units) == 16
        assert [block.out_chans // units[0].out_chans for block in units] == [1] * 4 + [2] * 8 + [4] * 4
        assert units[0].out_chans == pytest.approx(_TABLE_1[groups] * width, rel=0.1)


def test_only_the_first_convolution_of_the_first_unit_is_ungrouped():
    units = [b for b in zoo.create_model("shufflenet_v1_g4_100").blocks if hasattr(b, "reduce")]
    assert [unit.reduce.conv.groups for unit in units] == [1] + [4] * 15
    assert [unit.expand.conv.groups for unit in units] == [4] * 16


def test_first_weights_are_the_authors():
    network = zoo.create_model("shufflenet_v1_g3_100", seed=0)
    assert network.blocks[0].conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
    unit = network.blocks[-1]
    assert unit.reduce.conv.weight.std().item() == pytest.approx(1 / 320, rel=0.05)  # 960 channels in 3 groups
    assert unit.dw.conv.weight.std().item() == pytest.approx(1, rel=0.05)
