import copy

import pytest
import torch
from torch.nn.utils import prune

from model_compression.pruning.unstructured.magnitude import prune_by_magnitude
from model_compression.pruning.unstructured.masks import prunable_layers, sparsity


@pytest.mark.parametrize("share", [0.0, 0.37, 0.9])
def test_global_and_local_zeros_are_those_of_torch(share, convolutional):
    twins = {scope: copy.deepcopy(convolutional) for scope in ("global", "local")}
    own = {scope: copy.deepcopy(convolutional) for scope in twins}
    prune.global_unstructured(
        [(layer, "weight") for layer in prunable_layers(twins["global"]).values()], prune.L1Unstructured, amount=share
    )
    for layer in prunable_layers(twins["local"]).values():
        prune.l1_unstructured(layer, "weight", amount=share)
    for scope, network in own.items():
        prune_by_magnitude(network, share, scope=scope)
        theirs = prunable_layers(twins[scope])
        for name, layer in prunable_layers(network).items():
            assert torch.equal(layer.weight, theirs[name].weight)
    total = sum(layer.weight.numel() for layer in prunable_layers(convolutional).values())
    assert sparsity(own["global"]) == pytest.approx(round(share * total) / total)


def test_a_second_call_goes_on_where_the_first_stopped(convolutional):
    at_once = copy.deepcopy(convolutional)
    prune_by_magnitude(at_once, 0.8)
    prune_by_magnitude(convolutional, 0.5)
    prune_by_magnitude(convolutional, 0.8)
    for name, layer in prunable_layers(convolutional).items():
        assert torch.equal(layer.weight, prunable_layers(at_once)[name].weight)


def test_excluded_layers_stay_whole(convolutional):
    prune_by_magnitude(convolutional, 0.9, exclude=["6"])
    assert convolutional[6].weight.all()
