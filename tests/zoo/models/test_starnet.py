import pytest
import torch

import zoo
from zoo.timm_import import timm


@pytest.mark.parametrize(("name", "side"), [("starnet_s050", 224), ("starnet_s1", 96)])
def test_with_timms_weights_the_scores_are_timms(name, side, assert_same_function):
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(2, 3, side, side))


def test_the_last_map_is_normalised_before_it_is_pooled():
    network = zoo.create_model("starnet_s050", seed=0).train()
    pooled = network.head(network.forward_features(torch.randn(4, 3, 64, 64)), pre_logits=True)
    torch.testing.assert_close(pooled.mean(0), torch.zeros(128), atol=1e-4, rtol=0)
