import pytest
import torch

import zoo
from zoo.timm_import import torchvision


@pytest.mark.parametrize(("name", "resolution"), [("shufflenet_v2_x0_5", 224), ("shufflenet_v2_x1_0", 96)])
def test_with_torchvisions_weights_the_scores_are_torchvisions(name, resolution, assert_same_function):
    reference = getattr(torchvision.models, name)()
    assert_same_function(reference, zoo.create_model("tv_" + name), torch.randn(4, 3, resolution, resolution))


def test_the_authors_network_is_their_forward_pass_with_even_and_odd_channels_split(scramble):
    """megvii-model/ShuffleNet-Series: nothing is shuffled after a unit, so not before a strided one nor at the end."""
    network, x = zoo.create_model("shufflenet_v2_x0_5"), torch.randn(4, 3, 64, 64)
    scramble(network, x)
    with torch.no_grad():
        y = network.blocks[1](network.blocks[0](x))
        for unit in network.blocks[2:18]:
            past, through = (unit.side(y), y) if unit.stride == 2 else (y[:, ::2], y[:, 1::2])
            y = torch.cat((past, unit.main(through)), 1)
        expected = network.head(network.blocks[18](y))
        torch.testing.assert_close(network(x), expected)


def test_strided_main_branches_give_what_the_input_leaves_and_torchvisions_half():
    for name, outputs in (("shufflenet_v2_x1_0", (92, 116, 232)), ("tv_shufflenet_v2_x1_0", (58, 116, 232))):
        units = [b for b in zoo.create_model(name).blocks if getattr(b, "stride", 0) == 2 and hasattr(b, "main")]
        assert tuple(unit.main[-1].conv.out_channels for unit in units) == outputs


def test_only_the_widest_has_dropout():
    for size, dropout in (("x1_5", 0.0), ("x2_0", 0.2)):
        assert dict(zoo.get_spec("shufflenet_v2_" + size).head.options).get("dropout", 0.0) == dropout
