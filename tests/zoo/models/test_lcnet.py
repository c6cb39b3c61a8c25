import pytest
import torch
from torch import nn

import zoo
from zoo.timm_import import timm

PADDLE_CLAS_MFLOPS = {
    "lcnet_025": 18, "lcnet_035": 29, "lcnet_050": 47, "lcnet_075": 99,
    "lcnet_100": 161, "lcnet_150": 342, "lcnet_200": 590, "lcnet_250": 906,
}  # fmt: skip


@pytest.mark.parametrize("resolution", [96, 224])
def test_with_timms_weights_the_scores_are_timms(resolution, assert_same_function):
    reference = timm.create_model("lcnet_035")
    assert_same_function(reference, zoo.create_model("lcnet_035"), torch.randn(2, 3, resolution, resolution))


@pytest.mark.parametrize("name", PADDLE_CLAS_MFLOPS)
def test_operations_are_those_of_paddleclas_which_counts_two_a_normalised_value(name):
    with torch.device("meta"):
        network = zoo.get_spec(name).build().eval()
        normalised = []
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.register_forward_hook(lambda _, inputs, output: normalised.append(output.numel()))
        network(torch.empty(1, 3, 224, 224))
    assert round((zoo.model_info(name).macs + 2 * sum(normalised)) / 1e6) == PADDLE_CLAS_MFLOPS[name]


def test_large_kernels_and_squeeze_and_excitation_are_in_the_tail_only():
    blocks = [dict(block.options) for block in zoo.get_spec("lcnet_100").blocks[1:]]
    assert [block.get("kernel", 3) for block in blocks] == [3] * 6 + [5] * 7
    assert ["se_ratio" in block for block in blocks] == [False] * 11 + [True] * 2
