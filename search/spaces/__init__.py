"""Declared sets of networks to search in. A new space is one file here with `SPACES.register(name)`.

>>> load_space("tiny").name
'tiny'
"""

from search.spaces.base import SPACES, SearchSpace, SpaceError
from search.spaces.cells import CellSpace
from search.spaces.loading import load_space
from search.spaces.published import PublishedSpace
from search.spaces.seeds import published_in
from search.spaces.space import Space, Stage

__all__ = [
    "SPACES",
    "CellSpace",
    "PublishedSpace",
    "SearchSpace",
    "Space",
    "SpaceError",
    "Stage",
    "load_space",
    "published_in",
]
