"""Algorithm 1, step 5: "if the result is not good, try another way to get S and Z", on images held out for it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.calibration import (
    Ranges,
    activation_ranges,
    floating,
    set_activation_ranges,
    set_weight_ranges,
    weight_ranges,
)
from model_compression.quantization.graph import QuantizedNetwork
from model_compression.quantization.ranges import RANGES

FIRST = "min-max"
# min-max and moving-average are the same for weights, which are seen once; entropy takes seconds per layer
WEIGHT_METHODS = ("min-max", "mse", "percentile", "aciq")


@dataclass(frozen=True)
class Choice:
    """One way to choose ranges, and how the network then does on the held-out images.

    Attributes:
        activations, weights: names of RANGES.
        agreement: share of the images, 0..1, that get the class the float network gives them.
        divergence: mean Kullback-Leibler divergence of the scores from the float network's, nats.
        accuracy: share of the images classified rightly; None without labels.
    """

    activations: str
    weights: str
    agreement: float
    divergence: float
    accuracy: float | None = None


@dataclass(frozen=True)
class CalibrationTable:
    """All that was tried, in order, and the best.

    Attributes:
        passed: whether the best keeps the gate.
        float_accuracy: of the float network on the held-out images; None without labels.
    """

    choices: tuple[Choice, ...]
    best: Choice
    passed: bool
    float_accuracy: float | None = None


@dataclass(frozen=True)
class Gate:
    """What the best choice has to reach on the held-out images: shares, 0..1."""

    least_agreement: float = 0.0
    most_accuracy_drop: float = 1.0

    def keeps(self, choice: Choice, float_accuracy: float | None) -> bool:
        """Return whether a choice is good enough."""
        drop = 0.0 if choice.accuracy is None or float_accuracy is None else float_accuracy - choice.accuracy
        return choice.agreement >= self.least_agreement and drop <= self.most_accuracy_drop


@method("calibration-search", "quantization", paper="arXiv:2004.09602")
def search_calibration(
    network: QuantizedNetwork,
    batches: Iterable[Tensor],
    held_out: Sequence[Tensor],
    *,
    labels: Tensor | None = None,
    gate: Gate | None = None,
    activations: Collection[str] | None = None,
    weights: Collection[str] = WEIGHT_METHODS,
) -> CalibrationTable:
    """Try ways to choose ranges, and leave the network with the best.

    Each way for the activations with weights from min to max, then each way for the weights with the best of those:
    one pass over the held-out images per way. The best has the least divergence from the float network, which tells
    more from a few images than accuracy does; among those that keep the gate, if any does.

    Args:
        batches: images [N, C, H, W] for the ranges; one float pass.
        held_out: other images, for the choice.
        labels: of the held-out images, [images]; without them the float network's classes are the measure.
        activations: names of RANGES; all by default.

    Raises QuantizationError where nothing is held out, or the labels are not one an image.
    """
    methods = sorted(RANGES if activations is None else activations)
    if not len(held_out) or not methods or not weights:
        raise QuantizationError("a search needs held-out images, and a method for activations and weights each")
    with floating(network):
        expected = predict(network, held_out)
    if labels is not None and len(labels) != len(expected):
        raise QuantizationError(f"{len(labels)} labels for {len(expected)} held-out images")
    gate, choices = gate or Gate(), []
    float_accuracy = None if labels is None else _share(expected, labels)
    found = activation_ranges(network, batches, methods)

    def attempt(method: str, weight_method: str, of_weights: Ranges) -> None:
        _apply(network, found[method], of_weights)
        choices.append(judge(predict(network, held_out), expected, method, weight_method, labels))

    def best() -> Choice:
        return min(choices, key=lambda choice: (not gate.keeps(choice, float_accuracy), choice.divergence))

    first = FIRST if FIRST in weights else next(iter(weights))
    of_weights = {method: weight_ranges(network, method) for method in weights}
    for name in methods:
        attempt(name, first, of_weights[first])
    of_activations = best().activations
    for weight_method in weights:
        if weight_method != first:
            attempt(of_activations, weight_method, of_weights[weight_method])
    chosen = best()
    _apply(network, found[chosen.activations], of_weights[chosen.weights])
    return CalibrationTable(tuple(choices), chosen, gate.keeps(chosen, float_accuracy), float_accuracy)


def predict(network: QuantizedNetwork, batches: Iterable[Tensor]) -> Tensor:
    """Return the scores of all images, [images, classes], on the CPU."""
    with torch.no_grad():
        return torch.cat([network(images).cpu() for images in batches])


def judge(scores: Tensor, expected: Tensor, activations: str, weights: str, labels: Tensor | None = None) -> Choice:
    """Return how `scores` [images, classes] compare with the float network's `expected` ones."""
    divergence = F.kl_div(scores.log_softmax(1), expected.log_softmax(1), reduction="batchmean", log_target=True)
    return Choice(
        activations,
        weights,
        agreement=_share(scores, expected.argmax(1)),
        divergence=float(divergence),
        accuracy=None if labels is None else _share(scores, labels),
    )


def _apply(network: QuantizedNetwork, of_activations: Ranges, of_weights: Ranges) -> None:
    set_activation_ranges(network, of_activations)
    set_weight_ranges(network, of_weights)


def _share(scores: Tensor, classes: Tensor) -> float:
    return float((scores.argmax(1) == classes.cpu()).float().mean())
