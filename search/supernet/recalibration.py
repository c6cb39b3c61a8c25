"""Batch statistics for weights that were trained in many networks at once."""

import torch
from torch import Tensor, nn

from zoo.data.splits import ImageSet

_BATCH = 128


def some_images(images: ImageSet, count: int) -> ImageSet:
    """Return `count` of `images` (all if there are fewer), shuffled, the same ones every time."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images.subset(order[:count].numpy())


@torch.no_grad()
def recalibrate(network: nn.Module, images: Tensor) -> None:
    """Set the statistics of every batch norm in `network` to the averages over batches of `images`, and nothing else.

    Statistics that a supernet gathers while it trains belong to none of its networks (arXiv:1903.05134, section 3.3;
    arXiv:1908.09791). `images` (N, C, H, W) are training images as the network sees them, on its device. The network
    is left in evaluation mode.
    """
    norms = [layer for layer in network.eval().modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # PyTorch's word for a cumulative average
        layer.train()
    # equal batches, and none of a single image, which has no variance
    for batch in images.tensor_split(max(1, -(-len(images) // _BATCH))):
        network(batch)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
