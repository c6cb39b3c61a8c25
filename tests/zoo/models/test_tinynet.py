import pytest
import torch

import zoo
from zoo.models import MODELS
from zoo.timm_import import timm


@pytest.mark.parametrize("name", zoo.list_models(family="tinynet"))
def test_weights_and_resolution_of_every_variant_are_timms(name):
    with torch.device("meta"):
        reference, ours = timm.create_model(MODELS.get(name).timm), zoo.create_model(name)
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in reference.state_dict().values()]
    assert ours.spec.resolution == reference.default_cfg["input_size"][1]


@pytest.mark.parametrize("side", [106, 96])
def test_with_timms_weights_the_scores_are_timms(side, assert_same_function):
    assert_same_function(timm.create_model("tinynet_e"), zoo.create_model("tinynet_e"), torch.randn(2, 3, side, side))


@pytest.mark.parametrize(("name", "macs_m"), [("a", 339), ("b", 202), ("c", 100), ("d", 52), ("e", 24)])
def test_the_authors_count_is_ours(name, macs_m):
    assert zoo.model_info(f"tinynet_{name}").macs / 1e6 == pytest.approx(macs_m, rel=0.02)
