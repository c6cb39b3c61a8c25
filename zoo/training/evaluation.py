"""Accuracy of a network on images it was not trained on."""

import torch
from torch import Tensor, nn

from zoo.data.splits import ImageSet, Splits
from zoo.training.preprocessing import normalize, resize

_BATCH = 256


@torch.no_grad()
def predict_scores(network: nn.Module, images: ImageSet, data: Splits, resolution: int) -> Tensor:
    """Return class scores (N, classes); `data` gives the normalisation. The network's mode is kept."""
    training = network.training
    network.eval()
    mean, std = data.statistics()
    device = next(network.parameters()).device
    chunks = images.images.split(_BATCH)
    scores = [network(resize(normalize(chunk, mean, std), resolution).to(device)).cpu() for chunk in chunks]
    network.train(training)
    return torch.cat(scores)


def accuracy(network: nn.Module, images: ImageSet, data: Splits, resolution: int) -> float:
    """Return the share of `images`, 0..1, whose highest score is that of their class."""
    scores = predict_scores(network, images, data, resolution)
    return float((scores.argmax(1) == images.labels).float().mean())
