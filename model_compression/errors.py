"""Errors of compression."""

from zoo import EdgezooError


class RecipeError(EdgezooError, ValueError):
    """A recipe that cannot be followed."""
