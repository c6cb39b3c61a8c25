import torch
from torch import nn

from search.supernet import Supernet
from search.supernet.recalibration import recalibrate, some_images


def test_statistics_are_those_of_the_images(small_space, networks):
    network = Supernet(small_space, 10, 1).network(networks[0])
    images = torch.rand(384, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    recalibrate(network, images)
    stem = network.blocks[0]
    maps = [stem.conv(batch) for batch in images.split(128)]
    mean = torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0)
    variance = torch.stack([m.transpose(0, 1).flatten(1).var(1) for m in maps]).mean(0)
    torch.testing.assert_close(stem.norm.running_mean, mean)
    torch.testing.assert_close(stem.norm.running_var, variance)


def test_a_single_batch_gives_in_evaluation_what_training_mode_gives(small_space, networks):
    network = Supernet(small_space, 10, 1).network(networks[1])
    images = torch.rand(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    recalibrate(network, images)
    in_evaluation = network(images)
    # evaluation divides by the unbiased variance, which differs by 1 / (values - 1)
    torch.testing.assert_close(network.train()(images), in_evaluation, rtol=0.05, atol=0.02)


def test_nothing_else_changes(small_space, networks):
    network = Supernet(small_space, 10, 1).network(networks[0])
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [w.clone() for w in network.parameters()], [norm.momentum for norm in norms]
    recalibrate(network, torch.rand(32, 1, 16, 16))
    first = [norm.running_var.clone() for norm in norms]
    assert all(torch.equal(a, b) for a, b in zip(before[0], network.parameters(), strict=True))
    assert before[1] == [norm.momentum for norm in norms]
    assert not any(layer.training for layer in network.modules())
    recalibrate(network, torch.zeros(32, 1, 16, 16))
    assert all(norm.running_var.max() < var.max() for norm, var in zip(norms, first, strict=True))


def test_some_images_are_the_same_every_time_and_no_image_comes_twice(digits):
    first, again = some_images(digits.train, 100), some_images(digits.train, 100)
    assert len(first) == 100 and torch.equal(first.images, again.images)
    assert len(some_images(digits.val, 10_000)) == len(digits.val)
    assert len(first.labels.unique()) == 10
