"""An estimated cost, and how far it is to be trusted."""

from typing import NamedTuple


class Cost(NamedTuple):
    """Estimated cost of a network or a part of one, in units of the reference network; costs of parts add up.

    Attributes:
        known: what of `value` stands on kernels that were measured.
        doubt: how far the estimated kernels may be off, added up.
    """

    value: float
    known: float
    doubt: float

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        return Cost(self.value + other.value, self.known + other.known, self.doubt + other.doubt)

    def times(self, factor: float) -> "Cost":
        """Return the cost scaled."""
        return Cost(self.value * factor, self.known * factor, self.doubt * factor)


NOTHING = Cost(0.0, 0.0, 0.0)
