import pytest
import torch

import zoo
from zoo.timm_import import timm, torchvision


@pytest.mark.parametrize(("name", "resolution"), [("mnasnet_small", 224), ("semnasnet_050", 96), ("mnasnet_050", 65)])
def test_with_timms_weights_the_scores_are_timms(name, resolution, assert_same_function):
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(2, 3, resolution, resolution))


def test_with_torchvisions_weights_the_scores_are_torchvisions(assert_same_function):
    reference = torchvision.models.mnasnet1_3()
    assert_same_function(reference, zoo.create_model("mnasnet_130"), torch.randn(2, 3, 64, 64))


def test_the_narrowest_a1_is_timms_with_another_multiplier(assert_same_function):
    reference = timm.models.efficientnet._gen_mnasnet_a1("semnasnet_050", 0.35)
    assert_same_function(reference, zoo.create_model("semnasnet_035"), torch.randn(2, 3, 64, 64))
