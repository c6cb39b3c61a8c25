"""Errors of compression."""

from zoo import EdgezooError


class RecipeError(EdgezooError, ValueError):
    """A recipe that cannot be followed."""


class DistillationError(EdgezooError, ValueError):
    """A teacher and a student that cannot be paired, or features that cannot be learned from."""


class QuantizationError(EdgezooError, ValueError):
    """Values or settings that cannot be quantized."""


class PruningError(EdgezooError, ValueError):
    """A network or settings that cannot be pruned."""


class FactorizationError(EdgezooError, ValueError):
    """A layer or ranks that cannot be factorized."""


class ArtifactError(EdgezooError, ValueError):
    """A model file or its card that cannot be read."""


class BudgetError(EdgezooError, ValueError):
    """A budget that no choice keeps."""
