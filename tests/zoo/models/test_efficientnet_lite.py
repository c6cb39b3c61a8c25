import pytest
import torch

import zoo
from zoo.models import MODELS
from zoo.timm_import import timm


@pytest.mark.parametrize("name", zoo.list_models(family="efficientnet_lite"))
def test_weights_and_normalisation_of_every_variant_are_timms(name):
    entry = MODELS.get(name)
    with torch.device("meta"):
        reference, ours = timm.create_model(entry.timm), zoo.create_model(name)
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in reference.state_dict().values()]
    assert (entry.mean, entry.std) == (reference.default_cfg["mean"], reference.default_cfg["std"])


def test_with_timms_weights_the_scores_are_timms(assert_same_function):
    images = torch.randn(2, 3, 97, 97)
    assert_same_function(timm.create_model("tf_efficientnet_lite0"), zoo.create_model("efficientnet_lite0"), images)


def test_the_ends_are_not_scaled():
    small, large = (zoo.get_spec(f"efficientnet_lite{size}").blocks for size in (0, 4))
    assert [block.out_chans for block in (small[0], small[-1])] == [block.out_chans for block in (large[0], large[-1])]
    firsts = [[block.kind for block in blocks].index("inverted_residual") for blocks in (small, large)]
    assert firsts == [1, 1] and small[2].stride == large[2].stride == 2  # one block in the first stage of both
    assert large[-2].out_chans > small[-2].out_chans and large[-2].out_chans != large[-3].out_chans


@pytest.mark.parametrize(("size", "published_m"), [(0, 407), (1, 631), (2, 899), (3, 1440), (4, 2640)])
def test_the_authors_count_of_multiply_adds_is_that_at_their_resolution(size, published_m):
    macs_m = zoo.model_info(f"efficientnet_lite{size}").macs / 1e6
    assert 1.03 < published_m / macs_m < 1.06  # TensorFlow's profiler counts normalisation and additions besides
