import pytest
import torch

import zoo
from zoo.models import MODELS
from zoo.timm_import import timm


@pytest.mark.parametrize("name", zoo.list_models(family="efficientnet"))
def test_weights_of_every_variant_are_timms_in_order(name):
    with torch.device("meta"):
        reference, ours = timm.create_model(MODELS.get(name).timm), zoo.create_model(name)
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in reference.state_dict().values()]


@pytest.mark.parametrize("side", [224, 97])
def test_with_timms_weights_the_scores_are_timms(side, assert_same_function):
    images = torch.randn(2, 3, side, side)
    assert_same_function(timm.create_model("tf_efficientnet_b0"), zoo.create_model("efficientnet_b0"), images)


def test_batch_norm_is_that_of_the_authors_code():
    norms = [
        layer for layer in zoo.create_model("efficientnet_b0").modules() if isinstance(layer, torch.nn.BatchNorm2d)
    ]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}  # decay 0.99 there


def test_every_block_is_squeezed_to_a_quarter_of_its_input():
    spec = zoo.get_spec("efficientnet_b4")
    chans = [block.out_chans for block in spec.blocks]
    with torch.device("meta"):
        network = spec.build()
    squeezed = [block.se.reduce.out_channels for block in list(network.blocks)[1:-1]]
    assert squeezed == [of / 4 for of in chans[:-2]]
