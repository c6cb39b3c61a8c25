import pytest
import torch
from torch import nn

import zoo
from zoo.timm_import import timm

README = {  # mit-han-lab/mcunet: million multiply-adds, million parameters
    "mcunet_in0": (6.4, 0.75),
    "mcunet_in1": (12.8, 0.64),
    "mcunet_in2": (67.3, 0.73),
    "mcunet_in3": (81.8, 0.74),
    "mcunet_in4": (125.9, 1.73),
}


@pytest.mark.parametrize("name", README)
def test_figures_are_those_of_the_readme(name):
    info = zoo.model_info(name)
    assert (round(info.macs / 1e6, 1), round(info.params / 1e6, 2)) == README[name]


def test_in3_is_the_network_of_the_authors_training_code(assert_same_function):
    # NetAug (mit-han-lab/tinyml) builds it stage by stage: channels, expansions, kernels, stride
    stages = (
        (16, (3, 5, 5, 4), (7, 3, 7, 5), 2),
        (24, (5, 5, 5), (5, 5, 5), 2),
        (40, (5, 6, 4), (3, 7, 5), 2),
        (48, (5, 5, 5), (5, 7, 3), 1),
        (96, (6, 5, 4), (3, 7, 3), 2),
        (160, (5,), (7,), 1),
    )
    definition = [["ds_r1_k3_s1_c8"]]
    for chans, expansions, kernels, stride in stages:
        for index, (expand, kernel) in enumerate(zip(expansions, kernels, strict=True)):
            definition.append([f"ir_r1_k{kernel}_s{stride if index == 0 else 1}_e{expand}_c{chans}"])
    blocks = timm.models._efficientnet_builder.decode_arch_def(definition)
    reference = timm.models.EfficientNet(blocks, num_features=0, stem_size=16, act_layer=nn.ReLU6)
    assert_same_function(reference, zoo.create_model("mcunet_in3"), torch.randn(2, 3, 96, 96))
