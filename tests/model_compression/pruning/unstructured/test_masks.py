import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.masks import (
    get_masks,
    keep_highest,
    prunable_layers,
    remove_masks,
    set_masks,
    sparsity,
)
from zoo import UnknownNameError


def random_masks(network, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layers = prunable_layers(network)
    return {name: torch.rand(layer.weight.shape, generator=generator) < 0.5 for name, layer in layers.items()}


def test_convolutions_and_linear_layers_can_be_pruned(convolutional):
    assert list(prunable_layers(convolutional)) == ["0", "3", "6"]
    assert list(prunable_layers(convolutional, exclude=["0", "6"])) == ["3"]
    with pytest.raises(UnknownNameError, match="unknown layer '1'"):
        prunable_layers(convolutional, exclude=["1"])


@pytest.mark.parametrize(
    "make", [lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1), torch.optim.Adam]
)
def test_masks_hold_through_optimizer_steps_and_the_rest_learns(make, convolutional, batch):
    masks = random_masks(convolutional)
    set_masks(convolutional, masks)
    before = {name: layer.weight.detach().clone() for name, layer in prunable_layers(convolutional).items()}
    optimizer = make(convolutional.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(convolutional(batch[0]), batch[1]).backward()
        optimizer.step()
    for name, layer in prunable_layers(convolutional).items():
        assert torch.equal(layer.weight == 0, ~masks[name])
        assert not torch.equal(layer.weight, before[name])


def test_masks_are_read_back_and_replaced_and_removed_for_good(convolutional, batch):
    first, second = random_masks(convolutional), random_masks(convolutional, seed=1)
    original = {name: layer.weight for name, layer in prunable_layers(convolutional).items()}
    keys, count = list(convolutional.state_dict()), sum(mask.numel() for mask in first.values())
    assert get_masks(convolutional) == {}
    set_masks(convolutional, first)
    set_masks(convolutional, second)
    found = get_masks(convolutional)
    assert all(torch.equal(found[name], second[name]) for name in second)
    assert sparsity(convolutional) == pytest.approx(sum(int((~mask).sum()) for mask in second.values()) / count)
    output = convolutional.eval()(batch[0])
    remove_masks(convolutional)
    assert torch.equal(convolutional(batch[0]), output)
    assert list(convolutional.state_dict()).sort() == keys.sort() and get_masks(convolutional) == {}
    for name, layer in prunable_layers(convolutional).items():
        assert layer.weight is original[name]  # an optimizer goes on with it
        assert torch.equal(layer.weight == 0, ~second[name])


def test_a_copy_has_masks_of_its_own(convolutional):
    set_masks(convolutional, random_masks(convolutional))
    before, twin = get_masks(convolutional), copy.deepcopy(convolutional)
    set_masks(twin, random_masks(twin, seed=1))
    remove_masks(twin)
    assert all(torch.equal(mask, before[name]) for name, mask in get_masks(convolutional).items())


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.floats(0, 1, exclude_max=True), st.integers(0, 99))
def test_exactly_the_share_is_hidden_and_it_is_the_lowest(sizes, share, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = {str(i): torch.randn(size, generator=generator) for i, size in enumerate(sizes)}
    kept = keep_highest(scores, share)
    hidden = [score for name in scores for score in scores[name][~kept[name]].tolist()]
    assert sorted(hidden) == sorted(torch.cat(list(scores.values())).tolist())[: round(share * sum(sizes))]
    kept = keep_highest(scores, share, scope="local")
    assert [int((~mask).sum()) for mask in kept.values()] == [round(share * size) for size in sizes]


def test_bad_input_is_met_in_one_line(convolutional):
    with pytest.raises(PruningError, match="Sequential has no convolution or linear layer"):
        prunable_layers(nn.Sequential(nn.ReLU()))
    with pytest.raises(UnknownNameError, match="unknown layer 'head'"):
        set_masks(convolutional, {"head": torch.ones(1)})
    with pytest.raises(PruningError, match=r"mask of layer '6' is \(1,\) and its weights \(10, 72\)"):
        set_masks(convolutional, {"6": torch.ones(1)})
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(PruningError, match="is not a share of weights"):
            keep_highest({"a": torch.ones(3)}, share)
    with pytest.raises(PruningError, match="scores of layer 'a' are NaN"):
        keep_highest({"a": torch.tensor([1.0, float("nan")])}, 0.5)
    with pytest.raises(UnknownNameError, match="unknown scope 'layer'"):
        keep_highest({"a": torch.ones(3)}, 0.5, scope="layer")
    with torch.no_grad():
        convolutional[3].weight[0] = float("nan")
    with pytest.raises(PruningError, match="weights of layer '3' are NaN or infinite"):
        prunable_layers(convolutional)
