"""The error of this package."""

from zoo.errors import EdgezooError


class WeightsError(EdgezooError):
    """Weights that are missing, damaged or of another network."""
