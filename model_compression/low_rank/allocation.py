"""The ranks of all layers at once, under a latency budget."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from model_compression.errors import FactorizationError
from model_compression.knapsack import Option, choose
from model_compression.low_rank.decomposition import DECOMPOSITIONS, Layer, Ranks
from model_compression.low_rank.factorize import Factors
from model_compression.low_rank.layers import complexity_of, decomposable, get_layers, input_shapes, relative_error
from model_compression.methods import method
from zoo.counting import complexity

# (a layer or the small ones in its place, shape of its input without the batch) -> milliseconds
LayerCost = Callable[[nn.Module, tuple[int, ...]], float]


@dataclass(frozen=True)
class Candidate:
    """One way to treat a layer.

    Attributes:
        factors: None leaves it as it is.
        damage: share of the outputs' energy that is lost, times the layer's sensitivity.
        ms: its latency.
    """

    factors: Factors | None
    damage: float
    ms: float


@dataclass(frozen=True)
class Allocation:
    """Decompositions of least damage within a budget.

    Attributes:
        factors: of the layers that are decomposed; for `factorize`.
        damage: of all layers together.
        ms: of all layers that were asked about, those left as they are too.
    """

    factors: dict[str, Factors]
    damage: float
    ms: float


def rank_candidates(
    network: nn.Module,
    shape: Sequence[int],
    *,
    cost: LayerCost,
    kinds: Sequence[str] = ("svd", "tucker"),
    names: Sequence[str] | None = None,
    covariances: Mapping[str, Tensor] | None = None,
    sensitivities: Mapping[str, float] | None = None,
    multiple: int = 16,
    most: int = 12,
    on_layer: Callable[[int, int], None] | None = None,
) -> dict[str, list[Candidate]]:
    """Return what can be done with each layer: nothing, or a decomposition that is smaller and faster.

    Args:
        shape: (N, C, H, W) of the network's input.
        cost: of one layer; `LayerTimer` measures it.
        names: layers to think about; None = all that one of `kinds` takes.
        covariances: of the layers' inputs, which make the damage the outputs' mean squared error over their own.
        sensitivities: what a layer's damage is multiplied with, 1 by default.
        multiple: steps of the device's staircase, on which ranks lie.
        most: ranks to try of each kind.
        on_layer: called with (layers measured, all).
    """
    possible = _possible(network, kinds, names)
    shapes = input_shapes(network, shape, list(possible))
    layers = get_layers(network, list(shapes))
    candidates = {}
    for name, layer in layers.items():
        covariance = (covariances or {}).get(name)
        weight, whole = (sensitivities or {}).get(name, 1.0), cost(layer, shapes[name])
        found = [Candidate(None, 0.0, whole)]
        for kind in possible[name]:
            decomposition = DECOMPOSITIONS.get(kind)()
            grid = [r for r in decomposition.grid(layer, multiple) if is_smaller(kind, layer, r, shapes[name])]
            for ranks in _thinned(grid, most):
                try:
                    small = decomposition.decompose(layer, ranks, covariance)
                except FactorizationError as error:
                    raise FactorizationError(f"layer {name!r} as {kind}: {error}") from None
                if (ms := cost(small, shapes[name])) < whole:
                    damage = weight * relative_error(small, layer, covariance)
                    found.append(Candidate(Factors(kind, ranks), damage, ms))
        candidates[name] = found
        if on_layer:
            on_layer(len(candidates), len(layers))
    return candidates


@method("global-rank-allocation", "low-rank", paper="multiple-choice knapsack, after HALP, arXiv:2110.10811")
def allocate(candidates: Mapping[str, Sequence[Candidate]], *, budget_ms: float) -> Allocation:
    """Return one candidate for each layer: the least sum of damages whose latencies add up to at most `budget_ms`.

    Raises BudgetError where even the fastest candidates take longer.
    """
    options = [[Option(c.ms, c.damage) for c in of_layer] for of_layer in candidates.values()]
    indices = choose(options, budget_ms)
    chosen = {name: found[i] for (name, found), i in zip(candidates.items(), indices, strict=True)}
    factors = {name: c.factors for name, c in chosen.items() if c.factors}
    return Allocation(factors, sum(c.damage for c in chosen.values()), sum(c.ms for c in chosen.values()))


def uniform_ranks(
    network: nn.Module,
    shape: Sequence[int],
    *,
    kind: str,
    share: float,
    names: Sequence[str] | None = None,
    multiple: int = 16,
) -> dict[str, Factors]:
    """Return ranks of the same `share` of each layer's channels; layers that would not get smaller are left out."""
    way = DECOMPOSITIONS.get(kind)()
    return _for_each(network, shape, kind, names, lambda layer: [way.scaled(layer, share, multiple)])


def energy_ranks(
    network: nn.Module,
    shape: Sequence[int],
    *,
    kind: str,
    energy: float,
    names: Sequence[str] | None = None,
    covariances: Mapping[str, Tensor] | None = None,
    multiple: int = 16,
) -> dict[str, Factors]:
    """Return the lowest ranks that keep `energy` (0..1) of each layer; those that would not get smaller are left out.

    The energy is that of the weights, or of the outputs where the covariance of a layer's inputs is given.
    """
    decomposition, by_layer = DECOMPOSITIONS.get(kind)(), {layer: name for name, layer in network.named_modules()}

    def ranks(layer: Layer) -> list[Ranks]:
        covariance = (covariances or {}).get(by_layer[layer])
        for tried in decomposition.grid(layer, multiple):
            if relative_error(decomposition.decompose(layer, tried, covariance), layer, covariance) <= 1 - energy:
                return [tried]
        return []

    return _for_each(network, shape, kind, names, ranks)


def is_smaller(kind: str, layer: Layer, ranks: Ranks, input_shape: Sequence[int]) -> bool:
    """Return whether the decomposition has both fewer parameters and fewer multiply-adds than `layer`."""
    whole = complexity(copy.deepcopy(layer).to("meta"), tuple(input_shape))
    small = complexity_of(kind, layer, ranks, input_shape)
    return small.params < whole.params and small.macs < whole.macs


def _for_each(
    network: nn.Module,
    shape: Sequence[int],
    kind: str,
    names: Sequence[str] | None,
    ranks: Callable[[Layer], list[Ranks]],
) -> dict[str, Factors]:
    possible = _possible(network, (kind,), names)
    shapes = input_shapes(network, shape, list(possible))
    return {
        name: Factors(kind, found)
        for name, layer in get_layers(network, list(shapes)).items()
        for found in ranks(layer)
        if is_smaller(kind, layer, found, shapes[name])
    }


def _possible(network: nn.Module, kinds: Sequence[str], names: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    possible = decomposable(network, kinds)
    if names is None:
        return possible
    get_layers(network, names)
    if left := [name for name in names if name not in possible]:
        raise FactorizationError(f"layer {left[0]!r} cannot be decomposed as {' or '.join(kinds)}")
    return {name: possible[name] for name in names}


def _thinned(grid: Sequence[Ranks], most: int) -> list[Ranks]:
    return [grid[i] for i in sorted({round(i) for i in np.linspace(0, len(grid) - 1, min(most, len(grid)))})]
