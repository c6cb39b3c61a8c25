"""Errors of measuring and predicting."""

from zoo.errors import EdgezooError


class RuntimeUnavailableError(EdgezooError):
    """A runtime that is not installed; the text says how to install it."""


class MeasurementError(EdgezooError):
    """A network that a runtime could not run or time."""


class TableError(EdgezooError):
    """A latency table that cannot be read, or that does not know what it is asked for."""


def first_line(error: BaseException) -> str:
    """Return the first line of `error` that says anything, else the name of its class.

    >>> first_line(ValueError("\\n  no size given\\nTraceback"))
    'no size given'
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
