import pytest

import zoo

_README = {  # megvii-model/WeightNet: parameters and multiply-adds in millions
    "x0_5": (1.5, 41), "x1_0": (2.4, 139), "x1_5": (3.9, 301),
    "x0_5_8x": (2.7, 42), "x1_0_4x": (5.1, 141), "x1_5_4x": (9.6, 307),
}  # fmt: skip


@pytest.mark.parametrize(("size", "figures"), _README.items())
def test_rounded_parameters_and_macs_are_the_readmes(size, figures):
    info = zoo.model_info("weightnet_shufflenet_v2_" + size)
    assert (round(info.params / 1e6, 1), round(info.macs / 1e6)) == figures


def test_every_convolution_of_a_unit_is_computed_and_the_rest_are_not():
    network = zoo.create_model("weightnet_shufflenet_v2_x0_5")
    units = [block for block in network.blocks if hasattr(block, "reduce")]
    assert len(units) == 16
    assert [len(unit.main) + len(unit.side) for unit in units] == [5, *[3] * 3, 5, *[3] * 7, 5, *[3] * 3]
    assert network.blocks[0].conv.weight.shape == (24, 3, 3, 3)
