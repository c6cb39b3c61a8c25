import itertools
import math

import pytest
import torch

import zoo
from latency_tables.onnx_files import export_onnx
from model_compression.errors import BudgetError, QuantizationError
from model_compression.quantization.mixed_precision import (
    bit_divergences,
    fall_back,
    layers_to_keep_float,
    refine,
    weight_bits,
)
from model_compression.quantization.placement import place
from model_compression.quantization.sensitivity import Sensitivity

_FOUND = [
    Sensitivity("a", divergence=0.5, ms_gained=0.2),
    Sensitivity("b", divergence=0.4, ms_gained=0.1),
    Sensitivity("c", divergence=0.3, ms_gained=0.1),
    Sensitivity("d", divergence=0.1, ms_gained=-0.3),
]


@pytest.mark.parametrize("spare_ms", [0.0, 0.1, 0.2, 0.25, 0.35, 1.0])
def test_the_most_divergence_is_saved_for_the_spare_time(spare_ms):
    kept = layers_to_keep_float(_FOUND, spare_ms=spare_ms)
    subsets = (set(s) for n in range(5) for s in itertools.combinations(_FOUND, n))
    paid = {frozenset(s): sum(max(0, one.ms_gained) for one in s) for s in subsets}
    best = max(sum(one.divergence for one in s) for s, ms in paid.items() if ms <= spare_ms + 1e-9)
    assert sum(s.divergence for s in _FOUND if s.layer in kept) == pytest.approx(best)
    assert "d" in kept


def test_time_must_be_measured_and_spare():
    with pytest.raises(QuantizationError, match="measure_gains"):
        layers_to_keep_float([Sensitivity("a", 0.1)], spare_ms=1)
    with pytest.raises(QuantizationError, match="must not be negative"):
        layers_to_keep_float(_FOUND, spare_ms=-1)


def test_the_fewest_layers_that_reach_the_accuracy_stay_float():
    asked = []

    def accuracy_without(layers):
        asked.append(layers)
        return 0.5 + 0.1 * len(layers)

    assert fall_back(_FOUND, accuracy_without, least_accuracy=0.65) == ("a", "b")
    assert len(asked) <= 2 + math.log2(len(_FOUND))
    assert fall_back(_FOUND, accuracy_without, least_accuracy=0.5) == ()
    with pytest.raises(QuantizationError, match=r"even in float the accuracy is 90\.0%"):
        fall_back(_FOUND, accuracy_without, least_accuracy=0.95)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    module = zoo.deploy(zoo.get_spec("mobilenetv2_035").at_resolution(32).build(10, 3, seed=0).eval())
    export_onnx(module, (1, 3, 32, 32), folder / "float.onnx")
    return place(folder / "float.onnx", folder / "int8.onnx", list(torch.randn(4, 1, 3, 32, 32).numpy()))


def test_bits_keep_the_size_and_lose_less_with_more(network):
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    before = network(images)
    found = bit_divergences(network, images, bits=(2, 4, 8))
    assert torch.equal(network(images), before)
    coarse, fine = (sum(by_bits[bits] for by_bits in found.values()) for bits in (2, 8))
    assert fine < coarse
    sizes = {layer.name: network.weights[layer.weight].numel() for layer in network.layers}
    budget = sum(sizes.values()) * 5 / 8
    bits = weight_bits(network, found, size_bytes=budget)
    assert sum(sizes[name] * bits[name] / 8 for name in bits) <= budget
    assert sum(found[name][bits[name]] for name in bits) <= sum(by_bits[4] for by_bits in found.values())
    with pytest.raises(BudgetError):
        weight_bits(network, found, size_bytes=10)


def test_refinement_finds_what_layers_do_together_and_keeps_the_budget(tmp_path):
    start = {"a": 8, "b": 4, "c": 8}
    evaluated = []

    def evaluate(bits):
        evaluated.append(dict(bits))
        return (
            abs(bits["a"] - bits["b"]) + 0.1 * bits["c"] + 0.01 * bits["a"]
        )  # best where two layers agree: no sum over layers

    def cost(bits):
        return sum(bits.values())

    arguments = {"budget": 20, "trials": 25, "storage": f"sqlite:///{tmp_path}/study.db"}
    best = refine(start, (4, 8), evaluate, cost, **arguments)
    assert best == {"a": 4, "b": 4, "c": 4} and evaluated[0] == start
    assert all(cost(bits) <= 20 for bits in evaluated)
    assert len({tuple(bits.values()) for bits in evaluated}) == len(evaluated)
    count = len(evaluated)
    assert refine(start, (4, 8), evaluate, cost, **arguments) == best and len(evaluated) == count
    with pytest.raises(QuantizationError, match="above the budget of 10"):
        refine(start, (4, 8), evaluate, cost, budget=10)
