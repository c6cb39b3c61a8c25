"""The error of this package."""

from search.errors import SearchError


class SupernetError(SearchError):
    """A supernet of another space or another training than asked for."""
