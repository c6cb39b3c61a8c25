"""Declared sets of networks to search in. A new space is one file here with `SPACES.register(name)`."""

from search.spaces.base import SearchSpace, SpaceError
from search.spaces.space import Space, Stage
from zoo.registry import Registry

SPACES: Registry[SearchSpace] = Registry("space", "search.spaces", "see edgezoo search spaces")

__all__ = ["SPACES", "SearchSpace", "Space", "SpaceError", "Stage"]
