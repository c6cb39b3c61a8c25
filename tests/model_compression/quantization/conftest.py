"""Networks as float and placed int8 files: those of the zoo with lively batch norms, and one of a few layers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import zoo
from latency_tables.onnx_files import export_onnx
from model_compression.quantization.graph import QuantizedNetwork, read_network
from model_compression.quantization.placement import PlacementOptions, place

SIZE = 32


@dataclass(frozen=True)
class Placed:
    """A network in two files, and images for it."""

    float_path: Path
    qdq_path: Path
    images: np.ndarray

    def read(self) -> QuantizedNetwork:
        return read_network(self.qdq_path, self.float_path)


def lively_network(name: str) -> nn.Module:
    """Return a network whose batch norms and weights differ from channel to channel, as after training."""
    torch.manual_seed(0)
    network = zoo.create_model(name, num_classes=10).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0, 0.3)
            module.momentum = 0.5
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.1)
    with torch.no_grad():
        for _ in range(6):
            network(torch.randn(4, 3, SIZE, SIZE))
    network.eval()
    return zoo.deploy(network) if isinstance(network, zoo.Network) else network


@pytest.fixture(scope="session")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Placed]:
    """Return the files of a network by its name, made once."""
    made: dict[str, Placed] = {}

    def make(name: str) -> Placed:
        if name not in made:
            folder = tmp_path_factory.mktemp("placed")
            files = Placed(
                folder / "float.onnx",
                folder / "int8.onnx",
                np.random.default_rng(0).standard_normal((8, 3, SIZE, SIZE), dtype=np.float32),
            )
            export_onnx(lively_network(name), (1, 3, SIZE, SIZE), files.float_path)
            place(files.float_path, files.qdq_path, list(files.images[:4, None]))
            made[name] = files
        return made[name]

    return make


@pytest.fixture(scope="session")
def run_onnx() -> Callable[..., np.ndarray]:
    """Return what onnxruntime computes with a file for images, one by one; optimized or as written."""

    def run(path: Path, images: np.ndarray, *, optimized: bool = False) -> np.ndarray:
        levels = onnxruntime.GraphOptimizationLevel
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])

    return run


class Residual(nn.Module):
    """A stem, an inverted bottleneck with a residual connection, a strided one without, and a classifier."""

    def __init__(self, act=nn.ReLU6):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), act())
        self.block = nn.Sequential(
            nn.Conv2d(8, 16, 1), act(), nn.Conv2d(16, 16, 3, padding=1, groups=16), act(), nn.Conv2d(16, 8, 1)
        )
        self.down = nn.Sequential(
            nn.Conv2d(8, 16, 1), act(), nn.Conv2d(16, 16, 3, 2, padding=1, groups=16), act(), nn.Conv2d(16, 12, 1)
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 10))

    def forward(self, images):
        images = self.stem(images)
        return self.head(self.down(images + self.block(images)))


@pytest.fixture
def quantize(tmp_path):
    """A function that makes (network, quantized file) of a module, with weights of so many bits."""

    def make(module, shape, bits=4, name="net"):
        float_path, path = tmp_path / f"{name}.float.onnx", tmp_path / f"{name}.onnx"
        export_onnx(module.eval(), shape, float_path)
        images = np.random.default_rng(0).standard_normal((16, *shape)).astype(np.float32)
        return place(float_path, path, list(images), PlacementOptions(weight_bits=bits)), path

    return make


@pytest.fixture(scope="session")
def small_module():
    """The residual network as a module, with random weights."""
    torch.manual_seed(0)
    return Residual()


@pytest.fixture
def residual(quantize, small_module):
    """The residual network with 4-bit weights, and its file."""
    return quantize(small_module, (1, 1, 12, 12))


@pytest.fixture(scope="session")
def onnx_values() -> Callable[..., dict[str, np.ndarray]]:
    """Return what onnxruntime computes inside a file, as written, for one image: values by name."""

    def run(path: Path, image: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        model = onnx.load(path)
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = [output.name for output in session.get_outputs()]
        return dict(zip(outputs, session.run(None, {"input": image}), strict=True))

    return run
