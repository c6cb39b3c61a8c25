"""Which networks of a space stand for all the others: the largest, the smallest, and what differs from them."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from search.spaces import SearchSpace
from zoo import ArchSpec, SpecError

_MAX_DRAWS = 100
_MAX_COMBINATIONS = 256
_RANDOM_PROBES = 30


def _is_size(choices: tuple[Any, ...]) -> bool:
    return all(isinstance(value, int | float) for value in choices)


def extreme(space: SearchSpace, pick: Callable[[tuple[Any, ...]], Any], rng: random.Random) -> ArchSpec:
    """Return the network with `pick` (max or min) of every number among the choices, names (kinds) at random.

    Where those make no network, a random one.
    """
    choices = space.parameters()
    for _ in range(_MAX_DRAWS):
        params = {name: pick(values) if _is_size(values) else rng.choice(values) for name, values in choices.items()}
        try:
            return space.decode(params)
        except SpecError:
            continue
    return space.sample(rng)


def sandwich(space: SearchSpace, count: int, rng: random.Random) -> list[ArchSpec]:
    """Return a largest network, a smallest one and `count` random ones (Yu and Huang, arXiv:1903.05134, section 3.1).

    Of kinds of blocks none is the largest: they are drawn anew each time.
    """
    return [extreme(space, max, rng), extreme(space, min, rng), *(space.sample(rng) for _ in range(count))]


def probes(space: SearchSpace, rng: random.Random) -> Iterator[ArchSpec]:
    """Yield networks among which every weight of the space reaches its full size.

    First the largest numbers with every combination of names (kinds, activations) that all choices take that can.
    Then for each name the largest numbers, and these but one, which is the smallest: some weights shrink as a choice
    grows, as those of a strided shuffle unit with its input channels. Some random networks last, for spaces whose
    choices depend on each other.
    """
    choices = space.parameters()
    largest = {name: max(values) for name, values in choices.items() if _is_size(values)}
    named = {name: values for name, values in choices.items() if not _is_size(values)}

    def with_names(wanted: Sequence[Any]) -> dict[str, Any]:
        fitting = {name: [value for value in wanted if value in values] for name, values in named.items()}
        return largest | {name: rng.choice(fitting[name] or values) for name, values in named.items()}

    combinations = itertools.product(*dict.fromkeys(named.values()))
    trials = [with_names(wanted) for wanted in itertools.islice(combinations, _MAX_COMBINATIONS)]
    for wanted in dict.fromkeys(value for values in named.values() for value in values):
        changes = ({name: min(choices[name])} for name in largest if len(choices[name]) > 1)
        trials += [with_names([wanted]) | change for change in ({}, *changes)]
    for params in trials:
        try:
            yield space.decode(params)
        except SpecError:
            continue
    for _ in range(_RANDOM_PROBES):
        yield space.sample(rng)
