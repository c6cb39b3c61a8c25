"""Errors of a search."""

from zoo import EdgezooError


class SearchError(EdgezooError):
    """A search that cannot start or go on."""


class SpaceExhaustedError(SearchError):
    """A space whose networks within the constraints have all been proposed."""


class BudgetError(SearchError):
    """A latency budget that no network of the space meets."""


class ForeignTableWarning(UserWarning):
    """A latency table that was measured on another device than the one that searches."""
