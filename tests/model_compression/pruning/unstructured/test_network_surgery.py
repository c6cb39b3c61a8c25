import pytest
import torch
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.masks import get_masks, mask_of, remove_masks, sparsity
from model_compression.pruning.unstructured.network_surgery import start_surgery
from model_compression.pruning.unstructured.train_prune_retrain import train_prune_retrain
from zoo.training import TrainConfig, accuracy, train


@pytest.fixture
def layer():
    """One linear layer with its threshold at 1, after the first look at its mask."""
    layer = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, 0.95, 1.05, 1.5]]))
    start_surgery(layer, rate=0.0)  # the mean of the weights
    mask = mask_of(layer)
    assert (mask.low, mask.high) == pytest.approx((0.9, 1.1))
    mask.training_progress(0.0)
    return layer


def test_small_weights_are_cut_and_large_ones_spliced_back(layer):
    assert layer.weight.tolist() == [[0.0, pytest.approx(0.95), pytest.approx(1.05), 1.5]]
    original = layer.parametrizations.weight.original
    with torch.no_grad():
        original.copy_(torch.tensor([[1.2, 0.8, 1.05, 1.0]]))
    mask_of(layer).training_progress(0.0)
    # the hidden one is back above 1.1, the second is gone below 0.9, between the two all stay as they were
    assert layer.weight.tolist() == [[pytest.approx(1.2), 0.0, pytest.approx(1.05), 1.0]]
    with torch.no_grad():
        original.copy_(torch.tensor([[1.2, 1.05, 1.05, 1.0]]))
    mask_of(layer).training_progress(0.0)
    assert layer.weight[0, 1] == 0


def test_hidden_weights_learn_and_are_driven_back(layer):
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    inputs = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    for _ in range(20):  # the loss wants the first, hidden weight to be 2
        mask_of(layer).training_progress(0.0)
        optimizer.zero_grad()
        (layer(inputs) - 2).pow(2).sum().backward()
        optimizer.step()
    assert layer.weight[0, 0].item() == pytest.approx(2, abs=0.1)


def test_masks_change_only_in_training_and_ever_less_often(layer):
    mask = mask_of(layer)
    assert layer.weight[0, 0] == 0
    looks = {}
    for progress in (0.0, 0.5, 0.9):
        looks[progress] = 0
        for _ in range(300):
            mask.training_progress(progress)
            looks[progress] += mask._due
    assert looks[0.0] == 300 and looks[0.5] == pytest.approx(50, abs=25) and looks[0.9] == 0
    layer.eval()
    mask.training_progress(0.0)
    with torch.no_grad():
        layer.parametrizations.weight.original.fill_(2.0)
    assert (layer.weight == 0).sum() == 1
    remove_masks(layer)
    assert layer.weight.tolist() == [[0.0, 2.0, 2.0, 2.0]]


def test_a_training_gets_sparse_by_the_rate(perceptron, small_digits):
    found = []
    for rate in (0.0, 1.0):
        network = perceptron()
        start_surgery(network, rate=rate)
        train(network, small_digits, TrainConfig(epochs=2), resolution=8)
        found.append(sparsity(network))
        assert set(get_masks(network)) == {"1", "3"}
    assert 0.2 < found[0] < found[1] < 1


def test_bad_input_is_met_in_one_line(perceptron):
    with pytest.raises(PruningError, match=r"rate 50 would cut all weights of layer '1'"):
        start_surgery(perceptron(), rate=50)
    with pytest.raises(PruningError, match="until=0"):
        start_surgery(perceptron(), until=0)
    with pytest.raises(PruningError, match="NaN"):
        network = perceptron()
        network[1].weight.data[0] = float("nan")
        start_surgery(network)


@pytest.mark.slow
def test_it_compresses_as_much_as_train_prune_retrain_at_the_same_accuracy(perceptron, small_digits):
    """Three seeds of a perceptron, as many epochs each; the sparsity of surgery is what the other is pruned to."""
    differences = []
    for seed in range(3):
        network = perceptron(64, seed=seed)
        train(network, small_digits, TrainConfig(epochs=20, seed=seed), resolution=8)
        start_surgery(network, rate=2.5)
        train(network, small_digits, TrainConfig(epochs=40, lr=0.05, seed=seed), resolution=8)
        surgery = accuracy(network, small_digits.val, small_digits, 8)
        share = sparsity(network)
        han = train_prune_retrain(
            perceptron(64, seed=seed), small_digits, TrainConfig(epochs=20, seed=seed), resolution=8,
            sparsities=(share / 2, share), retraining=TrainConfig(epochs=20, lr=0.05, seed=seed),
        )[-1]  # fmt: skip
        print("sparsity", share, "surgery", surgery, "han", han.accuracy)
        differences.append(surgery - han.accuracy)
    assert sum(differences) / 3 >= 0
