import pytest
import torch

import zoo
from zoo.timm_import import timm


@pytest.mark.parametrize(("name", "resolution"), [("small_050", 224), ("small", 96), ("medium", 65)])
def test_with_timms_weights_the_scores_are_timms(name, resolution, assert_same_function):
    name = f"mobilenetv4_conv_{name}"
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(4, 3, resolution, resolution))


def test_narrow_networks_keep_the_first_convolution():
    stems = {zoo.get_spec(f"mobilenetv4_conv_small{suffix}").blocks[0].out_chans for suffix in ("", "_050", "_035")}
    assert stems == {32}
