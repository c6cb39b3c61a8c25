"""The shared weights: one large tensor for each key, of which every network takes a slice."""

import random
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from search.spaces import SearchSpace
from search.supernet.draws import probes
from search.supernet.errors import SupernetError
from search.supernet.positions import Part, parts
from zoo import ArchSpec
from zoo.initialization import Scheme, initialize


def shared_weights(space: SearchSpace, num_classes: int, in_chans: int, seed: int) -> dict[str, nn.Parameter]:
    """Return fresh weights by key, each as large as the largest of the space's networks needs it in each dimension."""
    sizes: dict[str, tuple[int, ...]] = {}
    largest: dict[str, tuple[Part, str]] = {}  # the part that has most of a weight, and the path there
    scheme: Scheme = "tf"
    for spec in probes(space, random.Random(0)):
        scheme = spec.init
        for part in parts(spec, num_classes, in_chans):
            for path, size in part.sizes().items():
                key = part.key(path, size)
                joined = tuple(map(max, size, sizes.get(key, size)))
                if joined != sizes.get(key):
                    sizes[key], largest[key] = joined, (part, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {key: nn.Parameter(_fresh(sizes[key], *largest[key], scheme)) for key in sorted(sizes)}


def _fresh(size: tuple[int, ...], part: Part, path: str, scheme: Scheme) -> Tensor:
    """Return a weight with the mean and the spread that it has in a new network; a constant one stays constant."""
    module = part.build()
    initialize(module, scheme)
    std, mean = torch.std_mean(module.get_parameter(path).detach(), correction=0)
    return mean + std * torch.randn(size)


def crop(weight: Tensor, size: Iterable[int]) -> Tensor:
    """Return the leading channels of `weight`, of a kernel the middle: a view of `size`."""
    where = []
    for axis, (given, wanted) in enumerate(zip(weight.shape, size, strict=True)):
        start = (given - wanted) // 2 if axis >= 2 else 0
        where.append(slice(start, start + wanted))
    return weight[tuple(where)]


def inherit(weights: Mapping[str, Tensor], spec: ArchSpec, num_classes: int, in_chans: int) -> dict[str, Tensor]:
    """Return the slices of `weights` that are the parameters of `spec`, by their names in its network.

    Raises SupernetError where the network wants more than there is: it is of another space.
    """
    taken = {}
    for part in parts(spec, num_classes, in_chans):
        for path, size in part.sizes().items():
            weight = weights.get(part.key(path, size))
            if weight is None or any(wanted > given for given, wanted in zip(weight.shape, size, strict=True)):
                given = "nothing" if weight is None else list(weight.shape)
                raise SupernetError(
                    f"{part.path}.{path} of the network ({part.spec.kind}) is {list(size)}, the supernet has {given} "
                    "there: it was made for another space"
                )
            taken[f"{part.path}.{path}"] = crop(weight, size)
    return taken
