import json
from dataclasses import asdict

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import zoo
from latency_tables.onnx_files import export_onnx
from model_compression.errors import FactorizationError
from model_compression.low_rank import DECOMPOSITIONS, Factors, factorize, factorized_structure
from model_compression.low_rank.allocation import uniform_ranks
from model_compression.methods import list_methods
from model_compression.quantization.graph import read_network
from model_compression.quantization.placement import place
from zoo import UnknownNameError
from zoo.training import TrainConfig, accuracy, train
from zoo.weights.files import load_state, read_tensors, save_tensors

SPATIAL = [kind for kind in sorted(DECOMPOSITIONS) if DECOMPOSITIONS.get(kind).only_spatial]


class Chain(nn.Module):
    """A 3x3 convolution for each spatial kind, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.body = nn.ModuleDict({kind: nn.Conv2d(16, 16, 3, padding=1) for kind in SPATIAL})
        self.point = nn.Conv2d(16, 32, 1)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for conv in self.body.values():
            x = x + torch.relu(conv(x))
        return self.head(torch.relu(self.point(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def chain():
    torch.manual_seed(0)
    return Chain().eval()


def of_chain(chain, share):
    factors = {f"body.{k}": Factors(k, DECOMPOSITIONS.get(k)().scaled(chain.body[k], share)) for k in SPATIAL}
    return factors | {"point": Factors("svd", (8,)), "head": Factors("prediction", (16,))}


def test_at_full_rank_a_network_with_all_kinds_computes_the_same(chain):
    factors = {f"body.{k}": Factors(k, DECOMPOSITIONS.get(k)().full_ranks(chain.body[k])) for k in SPATIAL}
    factors |= {"point": Factors("svd", (16,)), "head": Factors("svd", (10,)), "stem": Factors("tucker", (16, 3))}
    before, images = str(chain), torch.randn(2, 3, 16, 16)
    small = factorize(chain, factors)
    torch.testing.assert_close(small(images), chain(images), atol=1e-4, rtol=1e-3)
    assert str(chain) == before
    assert not small.training


def test_what_is_stored_gives_the_network_back(chain, tmp_path):
    factors, images = of_chain(chain, 0.5), torch.randn(2, 3, 16, 16)
    small = factorize(chain, factors)
    save_tensors(tmp_path / "small.safetensors", small.state_dict(), {})
    text = json.dumps({name: asdict(how) for name, how in factors.items()})

    read = {name: Factors(**how) for name, how in json.loads(text).items()}
    again = factorized_structure(Chain(), read).eval()
    load_state(again, read_tensors(tmp_path / "small.safetensors")[0], "small.safetensors")
    assert read == factors
    assert str(again) == str(factorize(Chain().eval(), read))
    assert torch.equal(again(images), small(images))


def test_it_runs_in_onnxruntime_as_float_and_quantized(chain, tmp_path):
    small, images = factorize(chain, of_chain(chain, 0.5)), torch.randn(8, 3, 16, 16)
    path, quantized = tmp_path / "small.onnx", tmp_path / "int8.onnx"
    export_onnx(small, (1, 3, 16, 16), path)
    expected = small(images).detach().numpy()
    place(path, quantized, list(images[:, None].numpy()))
    for file, tolerance in ((path, 1e-4), (quantized, 0.1 * np.abs(expected).max())):
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        scores = np.concatenate([session.run(None, {"input": image[None].numpy()})[0] for image in images])
        np.testing.assert_allclose(scores, expected, atol=tolerance)
    inside = read_network(quantized, path)(images).detach().numpy()
    np.testing.assert_allclose(inside, expected, atol=0.1 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["mobilenetv2_050", "timm/resnet10t", "efficientnet_lite0"])
def test_networks_of_the_zoo_and_of_timm_can_be_decomposed(name):
    network = zoo.create_model(name, num_classes=10).eval()
    shape, images = (1, 3, 64, 64), torch.randn(1, 3, 64, 64)
    factors = uniform_ranks(network, shape, kind="svd", share=0.25, multiple=8)
    small = factorized_structure(network, factors)
    assert len(factors) > 5
    assert small(images).shape == network(images).shape
    assert zoo.complexity(small, shape[1:]).params < zoo.complexity(network, shape[1:]).params


def test_the_networks_norms_and_the_small_layers_can_be_trained(digits):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32),
        nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip
    train(network, digits, TrainConfig(epochs=3, lr=0.05), resolution=16)
    whole = accuracy(network, digits.val, digits, 16)
    small = factorize(network, {"3": Factors("tucker", (6, 4)), "6": Factors("separable-bn", (6,))})
    damaged = accuracy(small, digits.val, digits, 16)
    train(small, digits, TrainConfig(epochs=2, lr=0.05), resolution=16)
    assert damaged < whole - 0.1
    assert accuracy(small, digits.val, digits, 16) > whole - 0.02


def test_bad_input_is_met_in_one_line(chain):
    for make in (factorize, factorized_structure):
        with pytest.raises(UnknownNameError, match=r"'pont'.*point"):
            make(chain, {"pont": Factors("svd", (4,))})
        with pytest.raises(UnknownNameError, match=r"'sdv'.*svd"):
            make(chain, {"point": Factors("sdv", (4,))})
        with pytest.raises(FactorizationError, match=r"layer 'point' as svd: ranks \[99\] are not 1 number"):
            make(chain, {"point": Factors("svd", (99,))})
    with pytest.raises(FactorizationError, match="whole numbers"):
        Factors("svd", (0.5,))
    with pytest.raises(FactorizationError, match="whole numbers"):
        Factors("svd", ("4",))


def test_all_are_listed_by_name():
    found = {m.name for m in list_methods(family="low-rank")}
    assert found >= {
        "svd-linear", "svd-1x1", "separable", "separable-bn", "cp", "tucker-2", "clustered-svd",
        "separable-dictionary", "parameter-prediction", "rank-constrained-training", "global-rank-allocation",
        "data-aware-norm",
    }  # fmt: skip
    assert all(m.summary for m in list_methods(family="low-rank"))
