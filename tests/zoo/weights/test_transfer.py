import pytest
import torch

import zoo
from zoo.timm_import import timm
from zoo.weights.transfer import adapt, in_order


def test_other_channels_are_adapted_as_in_timm():
    published = zoo.create_model("mobilenetv2_035", seed=0)
    for chans in (1, 2, 4, 7):
        network = zoo.create_model("mobilenetv2_035", in_chans=chans, seed=1)
        state = adapt(published, network)
        expected = timm.models.adapt_input_conv(chans, published.state_dict()["blocks.0.conv.weight"])
        torch.testing.assert_close(state["blocks.0.conv.weight"], expected)
        network.load_state_dict(state)


def test_other_classes_keep_the_new_classifier_and_take_the_rest():
    published, network = (zoo.create_model("mobilenetv2_035", n, seed=n) for n in (1000, 5))
    state = adapt(published, network)
    assert torch.equal(state["head.classifier.weight"], network.state_dict()["head.classifier.weight"])
    assert torch.equal(state["blocks.3.dw.conv.weight"], published.state_dict()["blocks.3.dw.conv.weight"])


def test_tensors_of_another_network_are_refused_by_name():
    network = zoo.create_model("mobilenetv2_035")
    with pytest.raises(zoo.WeightsError, match=r"some file: \d+ tensors for the"):
        in_order(zoo.create_model("mobilenetv1_025").state_dict(), network, "some file")
    with pytest.raises(zoo.WeightsError, match=r"classifier.weight is \[10, 1280\], head.classifier.weight"):
        in_order(timm.create_model("mobilenetv2_035", num_classes=10).state_dict(), network, "timm")
