"""Networks with some layers replaced by decompositions of them."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from model_compression.errors import FactorizationError
from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition, Ranks
from zoo.errors import unknown_name


@dataclass(frozen=True)
class Factors:
    """How one layer is decomposed.

    Attributes:
        kind: name in DECOMPOSITIONS: "svd", "separable", "separable-bn", "tucker", "cp", ...
        ranks: as many as the kind has; its class says which.
    """

    kind: str
    ranks: Ranks

    def __post_init__(self) -> None:
        if not all(type(rank) is int for rank in self.ranks):
            raise FactorizationError(f"ranks are whole numbers, not {list(self.ranks)}")
        object.__setattr__(self, "ranks", tuple(self.ranks))  # a list where they come from JSON

    @property
    def decomposition(self) -> Decomposition:
        """The kind itself; raises UnknownNameError where there is none of that name."""
        return DECOMPOSITIONS.get(self.kind)()


def factorize(
    network: nn.Module, factors: Mapping[str, Factors], *, covariances: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """Return a copy of `network` whose layers named in `factors` are small ones that come nearest to them.

    Args:
        covariances: of the layers' inputs (`input_covariances`). The error of the outputs is made small for these, for
            layers that are not there the error of the weights.

    Raises FactorizationError for a layer or ranks that do not go together, UnknownNameError for a name that is none.
    """
    given = covariances or {}
    return _replaced(
        network, factors, lambda name, layer, f: f.decomposition.decompose(layer, f.ranks, given.get(name))
    )


def factorized_structure(network: nn.Module, factors: Mapping[str, Factors]) -> nn.Module:
    """Return what `factorize` does with new weights in the small layers: quick, to load weights into or to train."""
    return _replaced(network, factors, lambda _, layer, f: f.decomposition.small_layers(layer, f.ranks))


def _replaced(
    network: nn.Module, factors: Mapping[str, Factors], make: Callable[[str, nn.Module, Factors], nn.Module]
) -> nn.Module:
    network = copy.deepcopy(network)
    layers = dict(network.named_modules())
    for name, how in factors.items():
        if name not in layers or not name:
            raise unknown_name("layer", name, [known for known in layers if known])
        try:
            small = make(name, layers[name], how)
        except FactorizationError as error:
            raise FactorizationError(f"layer {name!r} as {how.kind}: {error}") from None
        network.set_submodule(name, small)
    return network
