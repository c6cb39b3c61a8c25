"""A small network whose scales were learned, with the rounding of one layer too, as a quantized file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from latency_tables.onnx_files import export_onnx
from model_compression.quantization.graph import QuantizedNetwork
from model_compression.quantization.placement import place
from model_compression.quantization.qat import QatConfig, train_quantized
from model_compression.quantization.write_back import write_network

SHAPE = (1, 1, 16, 16)


class Block(nn.Module):
    """A stem, an inverted bottleneck with a residual connection, and a classifier."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, 2, padding=1), nn.ReLU6())
        self.block = nn.Sequential(
            nn.Conv2d(8, 16, 1), nn.ReLU6(), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(), nn.Conv2d(16, 8, 1)
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, images):
        images = self.stem(images)
        return self.head(images + self.block(images))


class Floor(nn.Module):
    """Rounding as no quantizer would find it."""

    def forward(self, steps):
        return steps.floor()


@dataclass(frozen=True)
class Learned:
    """A quantized network, its file, and images for it, float32 (N, 1, 16, 16)."""

    network: QuantizedNetwork
    path: Path
    images: np.ndarray

    @property
    def step(self) -> float:
        """What one step of the scores' grid is worth."""
        return float(self.network.quantizer(self.network.quantizer_of(self.network.output)).scale)

    def scores(self) -> np.ndarray:
        """Return what the fake-quantized network computes."""
        with torch.no_grad():
            return self.network(torch.from_numpy(self.images)).numpy()


@pytest.fixture(scope="package")
def learned(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    torch.manual_seed(0)
    export_onnx(Block().eval(), SHAPE, folder / "float.onnx")
    images = np.random.default_rng(0).standard_normal((32, *SHAPE), dtype=np.float32)
    network = place(folder / "float.onnx", folder / "int8.onnx", list(images))
    train_quantized(network, digits, QatConfig(epochs=1, scales="lsq", lr=2e-3), resolution=16)
    network.quantizer(network.layers[1].weight).rounding = Floor()
    write_network(network, folder / "int8.onnx", folder / "int8.onnx")
    return Learned(network, folder / "int8.onnx", images[:, 0])
