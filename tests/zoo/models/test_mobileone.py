import pytest
import torch

import zoo
from zoo.counting import complexity
from zoo.network import Network
from zoo.timm_import import timm


@pytest.mark.parametrize("side", [64, 224])
def test_in_training_form_with_timms_weights_the_scores_are_timms(side, assert_same_function):
    # five branches a layer, added in another order: float32 noise grows through the layers to the size of a difference
    reference, ours = timm.create_model("mobileone_s0").double(), zoo.create_model("mobileone_s0").double()
    assert_same_function(reference, ours, torch.randn(2, 3, side, side, dtype=torch.float64))


def test_the_deployed_weights_are_timms_fused_ones(scramble):
    reference, ours = timm.create_model("mobileone_s1", num_classes=5), zoo.create_model("mobileone_s1", num_classes=5)
    scramble(reference, torch.randn(4, 3, 32, 32))
    ours.load_state_dict(dict(zip(ours.state_dict(), reference.state_dict().values(), strict=True)))
    fused, shipped = timm.utils.reparameterize_model(reference).state_dict(), zoo.deploy(ours).state_dict()
    for theirs, mine in zip(fused.values(), shipped.values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "params_m", "macs_m"),  # timm's models before they are fused
    [
        ("mobileone_s0", 5.293, 1051.9),
        ("mobileone_s1", 4.825, 830.1),
        ("mobileone_s2", 7.885, 1304.0),
        ("mobileone_s3", 10.171, 1902.1),
        ("mobileone_s4", 14.951, 2986.8),
    ],
)
def test_the_training_form_costs_more_than_the_one_that_is_shipped(name, params_m, macs_m):
    with torch.device("meta"):
        trained = complexity(Network(zoo.get_spec(name), 1000, 3), (3, 224, 224))
    assert round(trained.params / 1e6, 3) == params_m
    assert trained.macs / 1e6 == pytest.approx(macs_m, abs=0.1)
    assert trained.params > zoo.model_info(name).params


def test_only_the_first_convolution_of_s0_has_one_branch():
    first, *others = zoo.get_spec("mobileone_s0").blocks
    assert dict(first.options) == {}
    assert {dict(block.options)["branches"] for block in others} == {4}
