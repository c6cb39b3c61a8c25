"""An estimated cost, and what it is made of."""

from collections.abc import Mapping
from typing import NamedTuple

from latency_tables.amounts import Amount, total


class Cost(NamedTuple):
    """Estimated cost of a network or a part of one, in units of the reference network; costs of parts add up.

    Attributes:
        known: what of `value` stands on kernels that were measured.
        weights: how many learned values it reads.
        amounts: of what it does.
    """

    value: float
    known: float
    weights: int
    amounts: Mapping[Amount, float]

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        amounts = total((self.amounts, other.amounts))
        return Cost(self.value + other.value, self.known + other.known, self.weights + other.weights, amounts)


NOTHING = Cost(0.0, 0.0, 0, {})
