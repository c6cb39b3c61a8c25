"""What every search space is: named choices, and how a set of choices becomes a network."""

import math
import random
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from zoo import ArchSpec, EdgezooError, SpecError
from zoo.errors import first_line
from zoo.registry import Registry
from zoo.spec import MAX_JSON_CHARS, one_line

Params = Mapping[str, Any]
_MAX_DRAWS = 1000
_T = TypeVar("_T")


class SpaceError(EdgezooError, ValueError):
    """A declaration of a space that holds no network, or a network that is not of the space."""


def distinct(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """Return `values`; raises ValueError where one is there twice."""
    if len(set(values)) < len(values):
        raise ValueError("a choice is there twice")
    return values


Choices = Annotated[tuple[_T, ...], Field(min_length=1, max_length=64), AfterValidator(distinct)]
Pixels = Annotated[int, Field(strict=True, ge=1, le=4096)]


class SearchSpace(BaseModel):
    """Named choices, each a tuple of numbers or strings; a network is one value for each.

    A subclass says what the choices are (`parameters`), what network they make (`decode`) and what choices make a
    given network (`encode`); drawing and varying are the same for all. Raises SpaceError, one line, where a field
    makes no sense.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
    resolutions: Choices[Pixels]

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise SpaceError(f"space: {one_line(error)}") from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the space declared in JSON; raises SpaceError naming the path of what is wrong."""
        return cls(**read_object(text))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of block that its networks may have."""
        raise NotImplementedError

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

    def _misfit(self, what: str) -> SpaceError:
        """Return the error for a network that is not of the space."""
        return SpaceError(f"not in space {self.name!r}: {what}")


def read_object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object in `text`; raises SpaceError where there is none or the text is too long."""
    if len(text) > MAX_JSON_CHARS:
        raise SpaceError(f"space: {len(text):,} characters; at most {MAX_JSON_CHARS:,} are read")
    try:
        data = from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError) as error:  # TypeError: text that UTF-8 cannot hold
        raise SpaceError(f"space: no JSON: {first_line(error)}") from None
    if not isinstance(data, dict):
        raise SpaceError(f"space: must be an object of names and values, not {type(data).__name__}")
    return data


SPACES: Registry[SearchSpace] = Registry("space", "search.spaces", "see edgezoo search spaces")
