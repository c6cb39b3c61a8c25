import pytest
import torch

import zoo
from zoo.counting import complexity
from zoo.network import Network
from zoo.timm_import import timm


@pytest.mark.parametrize("side", [96, 224])
def test_in_training_form_with_timms_weights_the_scores_are_timms(side, assert_same_function):
    reference, ours = timm.create_model("repghostnet_050"), zoo.create_model("repghostnet_050")
    assert_same_function(reference, ours, torch.randn(4, 3, side, side))


def test_the_deployed_weights_are_timms_fused_ones(scramble):
    reference, ours = timm.create_model("repghostnet_058", num_classes=5), zoo.create_model("repghostnet_058", 5)
    scramble(reference, torch.randn(4, 3, 64, 64))
    ours.load_state_dict(dict(zip(ours.state_dict(), reference.state_dict().values(), strict=True)))
    fused, shipped = timm.utils.reparameterize_model(reference).state_dict(), zoo.deploy(ours).state_dict()
    for theirs, mine in zip(fused.values(), shipped.values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["repghostnet_050", "repghostnet_200"])
def test_the_training_form_has_one_norm_a_module_more_and_no_more_macs(name):
    with torch.device("meta"):
        reference = timm.create_model(name)
        trained = complexity(Network(zoo.get_spec(name), 1000, 3), (3, 224, 224))
    assert trained.params == sum(p.numel() for p in reference.parameters())
    assert trained.params > zoo.model_info(name).params
    assert trained.macs == zoo.model_info(name).macs
