"""Declared sets of networks to search in. A new space is one file here with `SPACES.register(name)`."""

from search.spaces.space import Space, Stage
from zoo.registry import Registry

SPACES: Registry[Space] = Registry("space", "search.spaces", "see edgezoo search spaces")

__all__ = ["SPACES", "Space", "Stage"]
