import dataclasses

import numpy as np
import pytest
import torch

import zoo
from zoo.training import TrainConfig, accuracy, train
from zoo.training.preprocessing import augment, normalize

_SPEC = zoo.ArchSpec(
    resolution=16,
    blocks=tuple(zoo.BlockSpec(kind="conv", out_chans=c, stride=s) for c, s in ((16, 1), (32, 2), (64, 2))),
)


def _train(data, **config):
    network = _SPEC.build(data.num_classes, data.in_chans, seed=0)
    return network, train(network, data, TrainConfig(**config), resolution=16)


def test_a_network_learns(digits):
    network, history = _train(digits, epochs=3)
    assert history[-1].loss < history[0].loss
    assert accuracy(network, digits.val, digits, 16) > 0.5  # chance is 0.1


def test_equal_seeds_give_equal_weights(digits):
    (first, _), (second, _), (other, _) = (_train(digits, epochs=1, seed=s) for s in (3, 3, 4))
    weights = [torch.cat([p.flatten() for p in network.parameters()]) for network in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("steps", [1, 4, 5])
def test_a_handful_of_steps_is_a_training_too(digits, steps):
    few = dataclasses.replace(digits, train=digits.train.subset(np.arange(64 * steps)))
    assert len(_train(few, epochs=1)[1]) == 1


def test_a_loss_that_is_not_a_number_stops_the_training(digits):
    network = _SPEC.build(10, 1, seed=0)
    with pytest.raises(zoo.TrainingDivergedError, match="nan in epoch 1"):
        train(network, digits, TrainConfig(epochs=1), resolution=16, loss=lambda s, y, x: s.sum() * float("nan"))


def test_normalisation_is_torchvisions():
    from zoo.timm_import import torchvision

    functional = torchvision.transforms.v2.functional
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)
    expected = functional.normalize(images.float() / 255, list(mean), list(std))
    torch.testing.assert_close(normalize(images, mean, std), expected)


def test_augmentation_moves_images_each_for_itself_and_invents_no_values():
    image = torch.rand(1, 1, 16, 16)
    moved = augment(image.expand(8, -1, -1, -1), flip=True, generator=torch.Generator().manual_seed(0))
    assert moved.shape == (8, 1, 16, 16)
    assert image.min() - 1e-6 <= moved.min() and moved.max() <= image.max() + 1e-6
    assert all(not torch.equal(moved[0], other) for other in moved[1:])
