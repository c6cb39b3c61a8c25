"""Errors of compression."""

from zoo import EdgezooError


class RecipeError(EdgezooError, ValueError):
    """A recipe that cannot be followed."""


class QuantizationError(EdgezooError, ValueError):
    """Values or settings that cannot be quantized."""


class BudgetError(EdgezooError, ValueError):
    """A budget that no choice keeps."""
