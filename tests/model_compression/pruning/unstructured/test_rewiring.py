import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.magnitude import prune_by_magnitude
from model_compression.pruning.unstructured.masks import get_masks, mask_of, sparsity
from model_compression.pruning.unstructured.rewiring import sparse_evolutionary_training, start_sparse
from zoo import UnknownNameError
from zoo.data.splits import ImageSet, Splits, stratified
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
    mask = None
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


@pytest.mark.slow
def test_rewiring_beats_masks_that_stay_on_photographs():
    """A small network with 5 % of its weights on 2,000 images of CIFAR-10."""
    folder = os.environ.get("EDGEZOO_DATA")
    archive = Path(folder or "") / "cifar10-train.zip"
    if not folder or not archive.is_file():
        pytest.skip("needs cifar10-train.zip in the folder that EDGEZOO_DATA names")
    images, labels, taken = [], [], Counter()
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            label = Path(name).parent.name
            taken[label] += 1
            if taken[label] <= 300:
                images.append(np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB")))
                labels.append(label)
    classes = tuple(sorted(taken))
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    whole = ImageSet(pixels, torch.tensor([classes.index(label) for label in labels]))
    learned, held_out = stratified(whole, 1 / 3, seed=0)
    data = Splits("cifar", learned, held_out, held_out, classes, flip=True)
    found = {}
    for name, share in (("static", 0.0), ("rewired", 0.3)):
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, stride=2), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
        )
        start_sparse(network, 0.95, share=share, interval=20)
        train(network, data, TrainConfig(epochs=12), resolution=32)
        found[name] = accuracy(network, data.val, data, 32)
    print(found)
    assert found["rewired"] > found["static"]
