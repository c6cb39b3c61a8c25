import pytest
import torch
import torch.nn.functional as F

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.magnitude import prune_by_magnitude
from model_compression.pruning.unstructured.masks import get_masks, mask_of, sparsity
from model_compression.pruning.unstructured.rewiring import sparse_evolutionary_training, start_sparse
from zoo import UnknownNameError
from zoo.training import TrainConfig, accuracy, train


def counts(network):
    return {name: int(mask.sum()) for name, mask in get_masks(network).items()}


@pytest.mark.parametrize("start", [start_sparse, sparse_evolutionary_training])
def test_every_step_has_as_many_weights_and_not_always_the_same(start, perceptron, small_digits):
    network = perceptron()
    start(network, 0.8, interval=5)
    first, wanted, seen = get_masks(network), counts(network), []
    assert wanted == {"1": 64 * 32 - round(0.8 * 64 * 32), "3": 320 - 256}
    train(network, small_digits, TrainConfig(epochs=2), resolution=8, on_step=lambda: seen.append(counts(network)))
    assert all(step == wanted for step in [*seen, counts(network)])
    assert sparsity(network) == pytest.approx(0.8, abs=1e-3)
    assert all((mask != first[name]).any() for name, mask in get_masks(network).items())


def step(network, batch):
    network.zero_grad()
    F.cross_entropy(network(batch[0]), batch[1]).backward()


def test_the_smallest_go_and_those_of_largest_gradient_start_at_zero(perceptron, batch):
    network = perceptron()
    start_sparse(network, 0.5, interval=1, share=0.2)
    step(network, batch)
    before = network[1].weight.detach().clone()
    # what dL/dw of the seen and hidden weights is, without any mask
    free = before.clone().requires_grad_()
    hidden = F.linear(batch[0].flatten(1), free, network[1].bias).relu()
    F.cross_entropy(network[3](hidden), batch[1]).backward()
    mask = mask_of(network[1])
    old = mask.mask.clone()
    mask.training_progress(0.0)
    after, new = network[1].weight.detach(), mask.mask
    count = round(0.2 * int(old.sum()))
    dropped, grown = old & ~new, new & ~old
    assert dropped.sum() == grown.sum() == count
    assert (after[grown] == 0).all() and torch.equal(after[old & new], before[old & new])
    assert before[dropped].abs().max() <= before[old & new].abs().min()
    assert free.grad[grown].abs().min() >= free.grad[~old & ~new].abs().max()
    step(network, batch)
    gradient = network[1].parametrizations.weight.original.grad
    assert gradient[grown].any() and not gradient[~new].any()


def test_the_exchange_dies_out(perceptron, batch):
    network = perceptron()
    start_sparse(network, 0.5, interval=1, share=0.4, until=0.8)
    mask = mask_of(network[1])
    moved = []
    for progress in (0.0, 0.4, 0.79, 0.9):
        step(network, batch)
        old = mask.mask.clone()
        mask.training_progress(progress)
        step(network, batch)
        moved.append(int((old & ~mask.mask).sum()))
    seen = int(mask.mask.sum())
    assert moved == [round(0.4 * seen), round(0.2 * seen), pytest.approx(0, abs=2), 0]


def test_bad_input_is_met_in_one_line(perceptron):
    with pytest.raises(PruningError, match=r"sparsity 1\.5"):
        start_sparse(perceptron(), 1.5)
    with pytest.raises(PruningError, match="interval=0"):
        start_sparse(perceptron(), 0.5, interval=0)
    with pytest.raises(UnknownNameError, match="unknown growth 'grad'"):
        start_sparse(perceptron(), 0.5, growth="grad")


@pytest.mark.slow
def test_rewiring_beats_masks_that_stay(perceptron, small_digits):
    """A perceptron with 3 % of its weights, three seeds."""
    found = {"static": [], "random": [], "gradient": []}
    for seed in range(3):
        for name, accuracies in found.items():
            network = perceptron(64, seed=seed)
            growth = "random" if name == "static" else name
            start_sparse(network, 0.97, growth=growth, share=0.0 if name == "static" else 0.3, interval=20, seed=seed)
            train(network, small_digits, TrainConfig(epochs=40, seed=seed), resolution=8)
            accuracies.append(accuracy(network, small_digits.val, small_digits, 8))
    means = {name: sum(values) / 3 for name, values in found.items()}
    print(means)
    assert means["gradient"] > means["static"] and means["random"] > means["static"]


def test_a_network_that_is_sparse_already_can_start_anew(perceptron):
    network = perceptron()
    prune_by_magnitude(network, 0.3)
    start_sparse(network, 0.5)
    assert counts(network) == {"1": 1024, "3": 160}
