import torch

import zoo


def test_params_and_macs_are_those_that_are_published(score):
    network, info = zoo.create_model("mobilenetv2_035"), zoo.model_info("mobilenetv2_035")
    images, labels = torch.zeros(2, 3, 224, 224), torch.zeros(2, dtype=torch.int64)
    assert score("params", network, images, labels) == info.params
    assert score("macs", network, images, labels) == info.macs
