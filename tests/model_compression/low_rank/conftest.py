"""Layers of every sort that decompositions take."""

import importlib
import io
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.blocks.layers import Conv2d

CONVS = {
    "plain": {"padding": 1},
    "strided": {"padding": 1, "stride": 2},
    "strided unequally": {"padding": (1, 0), "stride": (1, 2)},
    "dilated": {"padding": 2, "dilation": 2},
    "same": {"padding": "same"},
    "without padding": {},
    "circular": {"padding": 1, "padding_mode": "circular"},
    "reflected": {"padding": 1, "padding_mode": "reflect", "stride": 2},
    "without bias": {"padding": 1, "bias": False},
}


@pytest.fixture(params=[*CONVS, "TensorFlow's same"])
def conv(request) -> nn.Conv2d:
    """A 3x3 convolution from 6 to 8 channels."""
    torch.manual_seed(0)
    if request.param in CONVS:
        return nn.Conv2d(6, 8, 3, **CONVS[request.param]).eval()
    layer = Conv2d(6, 8, 3, stride=2, padding=1)
    nn.Conv2d.reset_parameters(layer)
    layer.same_padding = True
    return layer.eval()


@pytest.fixture
def correlated() -> torch.Tensor:
    """Images (64, 6, 10, 9) of smooth noise whose channels depend on each other."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(64, 3, 12, 11, generator=generator)
    smooth = nn.functional.avg_pool2d(noise, 3, 1)
    mixed = torch.einsum("oc,nchw->nohw", torch.randn(6, 3, generator=generator), smooth)
    return mixed + 0.05 * torch.randn(mixed.shape, generator=generator)


class Cifar(NamedTuple):
    """ResNet-56 with trained weights, images to fit to, and others with labels to judge by."""

    network: nn.Module
    images: Tensor
    held: Tensor
    labels: Tensor

    def accuracy(self, network: nn.Module) -> float:
        with torch.no_grad():
            classes = torch.cat([network(chunk).argmax(1) for chunk in self.held.split(100)])
        return float((classes == self.labels).float().mean())


@pytest.fixture(scope="session")
def cifar() -> Cifar:
    folder = Path(os.environ.get("EDGEZOO_DATA", ""))
    weights, archive = folder / "resnet56-cifar10.safetensors", folder / "cifar10-test.zip"
    if not (weights.is_file() and archive.is_file()):
        pytest.skip(f"needs {weights.name} and {archive.name} in the folder that EDGEZOO_DATA names")
    images, labels = [], []
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        classes = sorted({Path(name).parent.name for name in names})
        for name in names:
            if labels.count(label := classes.index(Path(name).parent.name)) < 80:
                images.append(np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB")))
                labels.append(label)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    pixels = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[3] / "scripts")
        network = importlib.import_module("cifar_resnet").load_cifar_resnet(weights, mean=mean, std=std)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return Cifar(network, pixels[order[:200]], pixels[order[200:]], torch.tensor(labels)[order[200:]])
