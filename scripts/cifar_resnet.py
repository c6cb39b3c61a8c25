"""ResNets for CIFAR-10 (He et al., arXiv:1512.03385, section 4.2) with trained weights.

The weights are akamaster/pytorch_resnet_cifar10's, and so are the names of the layers.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.weights.files import load_state, read_tensors

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # with which the weights were trained


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut without weights: every `stride`-th pixel, channels of zeros around."""

    def __init__(self, in_chans: int, out_chans: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(in_chans, out_chans, 3, stride, 1, bias=False), nn.BatchNorm2d(out_chans)
        self.conv2, self.bn2 = nn.Conv2d(out_chans, out_chans, 3, 1, 1, bias=False), nn.BatchNorm2d(out_chans)
        self.stride, self.margin = stride, (out_chans - in_chans) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.margin, self.margin))
        return F.relu(y + shortcut)


class CifarResNet(nn.Module):
    """6 n + 2 layers: (N, 3, 32, 32) -> (N, 10). Stages of 16, 32 and 64 channels at 32, 16 and 8 pixels."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        blocks = (depth - 2) // 6
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(*(Block(c if i else first, c, 1 if i else stride) for i in range(blocks)))
            for first, c, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        )
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class Renormalized(nn.Module):
    """`network` for images normalised with `mean` and `std`, which it was not trained with."""

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        own_mean, own_std, given_mean, given_std = (torch.tensor(v).view(3, 1, 1) for v in (_MEAN, _STD, mean, std))
        self.scale, self.shift = given_std / own_std, (given_mean - own_mean) / own_std

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x * self.scale + self.shift)


def load_cifar_resnet(path: Path, *, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """Return the network of resnetDEPTH-cifar10.safetensors for images normalised with `mean` and `std`, in 0..1.

    Raises WeightsError where the file is missing or not that network's.
    """
    network = CifarResNet(int(path.name.removeprefix("resnet").partition("-")[0]))
    tensors, _ = read_tensors(path)
    counts = {name: t for name, t in network.state_dict().items() if name.endswith("num_batches_tracked")}
    load_state(network, counts | tensors, str(path))  # the file leaves them out, and they count for training alone
    return Renormalized(network, mean, std).eval()
