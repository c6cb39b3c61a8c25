"""What every search space is: named choices, and how a set of choices becomes a network."""

import math
import random
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from zoo import ArchSpec, EdgezooError, SpecError

Params = Mapping[str, Any]
_MAX_DRAWS = 1000


class SpaceError(EdgezooError, ValueError):
    """A declaration of a space that holds no network, or a network that is not of the space."""


class SearchSpace(BaseModel):
    """Named choices, each a tuple of numbers or strings; a network is one value for each.

    A subclass says what the choices are (`parameters`), what network they make (`decode`) and what choices make a
    given network (`encode`); drawing and varying are the same for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
    resolutions: Annotated[tuple[int, ...], Field(min_length=1, max_length=64)]

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """Return every choice of the space by name."""
        raise NotImplementedError

    def decode(self, params: Params) -> ArchSpec:
        """Return the network of one value for each parameter; raises SpecError where the values do not fit."""
        raise NotImplementedError

    def encode(self, spec: ArchSpec) -> dict[str, Any]:
        """Return choices that `decode` to `spec`; raises SpaceError, saying what does not fit, where there are none."""
        raise NotImplementedError

    def sample_params(self, rng: random.Random) -> dict[str, Any]:
        """Return one random value for each parameter that together make a network."""
        choices = self.parameters()
        return self._first_valid(lambda: {name: rng.choice(values) for name, values in choices.items()})

    def sample(self, rng: random.Random) -> ArchSpec:
        """Return a random network of the space."""
        return self.decode(self.sample_params(rng))

    def mutate(self, params: Params, rng: random.Random, changes: int = 1) -> dict[str, Any]:
        """Return `params` with up to `changes` choices drawn anew, so that they make another network."""
        choices = {name: values for name, values in self.parameters().items() if len(values) > 1}
        before = self.decode(params).digest

        def changed() -> dict[str, Any]:
            names = rng.sample(list(choices), min(changes, len(choices)))
            return dict(params) | {n: rng.choice([v for v in choices[n] if v != params[n]]) for n in names}

        return self._first_valid(changed, other_than=before)

    def crossover(self, first: Params, second: Params, rng: random.Random) -> dict[str, Any]:
        """Return for each parameter the value of one of two parents at random, so that they make a network."""
        return self._first_valid(lambda: {name: rng.choice((first, second))[name] for name in self.parameters()})

    @property
    def size(self) -> int:
        """The number of combinations of choices; equal networks may be counted more than once."""
        return math.prod(len(choices) for choices in self.parameters().values())

    def _first_valid(self, draw, other_than: str = "") -> dict[str, Any]:
        for _ in range(_MAX_DRAWS):
            params = draw()
            try:
                if self.decode(params).digest != other_than:
                    return params
            except SpecError:
                continue
        raise SpaceError(f"space {self.name!r}: {_MAX_DRAWS:,} random choices gave no network that can be built")
