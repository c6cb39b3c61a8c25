"""Errors of measuring and predicting."""

from zoo.errors import EdgezooError


class RuntimeUnavailableError(EdgezooError):
    """A runtime that is not installed; the text says how to install it."""


class MeasurementError(EdgezooError):
    """A network that a runtime could not run or time."""


class TableError(EdgezooError):
    """A latency table that cannot be read, or that does not know what it is asked for."""
