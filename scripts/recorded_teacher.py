"""A CIFAR ResNet's feature maps of a whole training, computed once and read by every student of equal seed."""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data import Splits
from zoo.training import TrainConfig, train

_SHAPES = ((16, 32, 32), (32, 16, 16), (64, 8, 8))
_SIZES = [math.prod(shape) for shape in _SHAPES]


def record(teacher: nn.Module, data: Splits, config: TrainConfig, path: Path) -> None:
    """Write what the stages of `teacher` give for the images of a training on `data` by `config`, in their order.

    A row of the file is an image: its mean, then its three maps. `teacher` is one of `load_cifar_resnet`.
    """
    layers = [teacher.get_submodule(f"network.layer{stage}") for stage in (1, 2, 3)]
    shape = (config.epochs * len(data.train), 1 + sum(_SIZES))
    rows, position, taken = np.lib.format.open_memmap(path, "w+", np.float32, shape), 0, []

    def listen(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        nonlocal position
        taken.clear()
        with torch.no_grad():
            teacher(images)
        row = torch.cat([images.mean((1, 2, 3)).view(-1, 1), *(maps.flatten(1) for maps in taken)], 1)
        rows[position : position + len(row)] = row.numpy()
        position += len(row)
        return F.cross_entropy(scores, labels)

    handles = [layer.register_forward_hook(lambda _, __, maps: taken.append(maps)) for layer in layers]
    # which images a training sees does not depend on the network
    smallest = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(data.in_chans, data.num_classes))
    train(smallest, data, config, resolution=data.resolution, loss=listen)
    for handle in handles:
        handle.remove()
    rows.flush()


class RecordedTeacher(nn.Module):
    """The network whose maps `record` wrote, for one training with the same data and config: images -> scores.

    Layers are called as in the network, so that hooks find the maps. Raises ValueError for images out of order.
    """

    def __init__(self, path: Path, linear: nn.Linear) -> None:
        super().__init__()
        self.rows, self.position, self.linear = np.load(path, mmap_mode="r"), 0, linear
        self.layer1, self.layer2, self.layer3 = (nn.Identity() for _ in _SHAPES)

    def forward(self, images: Tensor) -> Tensor:
        part = torch.from_numpy(self.rows[self.position : self.position + len(images)].copy())
        if images.any():  # black ones are shown to learn the shapes, before the training
            self.position += len(images)
            if len(part) != len(images) or not torch.allclose(part[:, 0], images.mean((1, 2, 3)), atol=1e-4):
                raise ValueError("the images are not those that were recorded; give the same data, config and seed")
        maps = [m.view(-1, *shape) for m, shape in zip(part[:, 1:].split(_SIZES, 1), _SHAPES, strict=True)]
        self.layer1(maps[0])
        self.layer2(maps[1])
        return self.linear(self.layer3(maps[2]).mean((2, 3)))
