"""The search finds the planted best way, and says whether it is good enough."""

import math

import pytest
import torch

from model_compression.errors import QuantizationError
from model_compression.quantization.calibration import floating
from model_compression.quantization.calibration_search import Gate, judge, predict, search_calibration
from model_compression.quantization.placement import set_weight_bits


def test_outliers_in_the_images_make_clipping_win(placed):
    """One value of 70,000 ruins the range from min to max."""
    files = placed("mobilenetv2_035")
    network = files.read()
    images = torch.from_numpy(files.images)
    spoilt = images[:4].repeat(6, 1, 1, 1)
    spoilt[0, 0, 0, 0] = 300
    table = search_calibration(
        network, [spoilt], [images[4:]], activations=["min-max", "percentile"], weights=["min-max"]
    )
    by_method = {choice.activations: choice for choice in table.choices}
    assert table.best.activations == "percentile"
    assert by_method["percentile"].divergence < by_method["min-max"].divergence
    with floating(network):
        expected = predict(network, [images[4:]])
    again = judge(predict(network, [images[4:]]), expected, "percentile", "min-max")
    assert again.divergence == pytest.approx(table.best.divergence)


def test_ways_for_weights_are_tried_with_the_best_for_activations(placed):
    files = placed("mobilenetv2_035")
    network = files.read()
    set_weight_bits(network, 4)
    images = torch.from_numpy(files.images)
    table = search_calibration(
        network, [images[:4]], [images[4:]], activations=["min-max", "aciq"], weights=["min-max", "mse"]
    )
    pairs = [(choice.activations, choice.weights) for choice in table.choices]
    assert pairs[:2] == [("aciq", "min-max"), ("min-max", "min-max")] and pairs[2][1] == "mse" and len(pairs) == 3
    assert table.best.divergence == min(choice.divergence for choice in table.choices)


def test_the_gate_is_kept_or_not(placed):
    files = placed("mobilenetv2_035")
    network = files.read()
    images = torch.from_numpy(files.images)
    with floating(network):
        labels = predict(network, [images[4:]]).argmax(1)
    wrong = (labels + 1) % 10
    options = {"activations": ["min-max"], "weights": ["min-max"]}
    gate = Gate(least_agreement=0.5, most_accuracy_drop=0.5)
    good = search_calibration(network, [images[:4]], [images[4:]], labels=labels, gate=gate, **options)
    assert good.passed and good.float_accuracy == 1
    assert good.best.accuracy == good.best.agreement
    strict = Gate(least_agreement=1.01)
    assert not search_calibration(network, [images[:4]], [images[4:]], labels=wrong, gate=strict, **options).passed


def test_divergence_by_hand():
    scores, expected = torch.tensor([[0.0, 0.0]]), torch.log(torch.tensor([[0.75, 0.25]]))
    choice = judge(scores, expected, "a", "b", torch.tensor([0]))
    assert choice.divergence == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-6)
    assert choice.agreement == choice.accuracy == 1


def test_held_out_images_are_needed(placed):
    network, images = placed("mobilenetv2_035").read(), torch.zeros(1, 3, 32, 32)
    with pytest.raises(QuantizationError, match="held-out"):
        search_calibration(network, [images], [])
    with pytest.raises(QuantizationError, match="2 labels for 1"):
        search_calibration(network, [images], [images], labels=torch.zeros(2))
