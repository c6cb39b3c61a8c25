import copy

import numpy as np
import pytest
import torch

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.brain_surgeon import compensate, prune_linear
from model_compression.pruning.unstructured.magnitude import prune_by_magnitude
from model_compression.pruning.unstructured.masks import get_masks


@pytest.fixture
def layer():
    """Weights (5, 12) and correlated inputs (200, 12)."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(12, 12, generator=generator)
    return torch.randn(5, 12, generator=generator), torch.randn(200, 12, generator=generator) @ mixed


def test_the_rest_is_the_least_squares_solution_on_what_is_kept(layer):
    weight, inputs = layer
    pruned, kept = compensate(weight, inputs, 0.5, damping=0.0)
    assert (kept.sum(1) == 6).all() and torch.equal(pruned != 0, kept)
    for row in range(5):
        columns = kept[row].numpy()
        best = np.linalg.lstsq(
            inputs.double().numpy()[:, columns], (inputs @ weight[row]).double().numpy(), rcond=None
        )[0]
        np.testing.assert_allclose(pruned[row].numpy()[columns], best, atol=1e-4)


def test_one_weight_is_the_best_of_all_that_could_go(layer):
    weight, inputs = layer
    pruned, kept = compensate(weight, inputs, 1 / 12, damping=0.0)
    for row in range(5):
        target, errors = (inputs @ weight[row]).double().numpy(), []
        for column in range(12):
            rest = np.delete(inputs.double().numpy(), column, axis=1)
            errors.append(np.linalg.lstsq(rest, target, rcond=None)[1][0])
        assert (~kept[row]).nonzero().item() == int(np.argmin(errors))
        error = ((inputs @ pruned[row]).double().numpy() - target) ** 2
        assert error.sum() == pytest.approx(min(errors), rel=1e-4)


def test_the_output_is_nearer_than_after_magnitude_pruning_with_and_without_compensation(layer):
    weight, inputs = layer
    pruned, kept = compensate(weight, inputs, 0.5)
    smallest = weight.abs() >= weight.abs().median(1, keepdim=True).values

    def error(other):
        return float((inputs @ (other - weight).T).pow(2).sum())

    assert error(pruned) < error(weight * kept) and error(pruned) < error(weight * smallest)


def test_a_layer_of_a_network_is_pruned_and_mended(perceptron, batch):
    network, plain = perceptron(), perceptron()
    before = network(batch[0]).detach()
    prune_linear(network, "1", batch[0], 0.5)
    prune_by_magnitude(plain, 0.5, scope="local", exclude=["3"])
    assert list(get_masks(network)) == ["1"] and (get_masks(network)["1"].sum(1) == 32).all()
    assert torch.equal(network[1].weight != 0, get_masks(network)["1"])
    assert (network(batch[0]) - before).pow(2).mean() < (plain(batch[0]) - before).pow(2).mean() / 4


def test_inputs_that_are_always_zero_do_no_harm(layer):
    weight, inputs = layer
    inputs[:, 3] = 0
    pruned, kept = compensate(weight, inputs, 0.25)
    assert torch.isfinite(pruned).all() and not kept[:, 3].any()


def test_bad_input_is_met_in_one_line(perceptron, convolutional, batch, layer):
    with pytest.raises(PruningError, match="layer '0' is not a linear layer of Sequential"):
        prune_linear(convolutional, "0", batch[0], 0.5)
    with pytest.raises(PruningError, match="no image reaches layer '1'"):
        prune_linear(perceptron(), "1", batch[0][:0], 0.5)
    with pytest.raises(PruningError, match="inputs of the layer are NaN"):
        compensate(layer[0], layer[1] * float("nan"), 0.5)
    with pytest.raises(PruningError, match="is not a share"):
        compensate(*copy.deepcopy(layer), 1.0)
