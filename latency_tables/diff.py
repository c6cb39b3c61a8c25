"""Two tables side by side: two devices, two runtimes, or two days."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import kendalltau

from latency_tables.errors import TableError
from latency_tables.table import KernelRow, LatencyTable


class KernelChange(NamedTuple):
    """A kernel that both tables measured, in milliseconds, and the ratio of the second to the first."""

    key: str
    first_ms: float
    second_ms: float
    ratio: float


class TableDiff(BaseModel):
    """How the second table compares with the first.

    Attributes:
        device: fields of the device that differ, as `field: first, second`.
        measured: networks that both tables measured; `measured_ratio` is the median of second / first over them,
            None where there are none.
        predicted_ratio, low_ratio, high_ratio: median, 5 % and 95 % quantile of second / first over the predictions of
            both tables for all networks that either measured.
        kendall_tau: how alike the two order those networks.
        kernels: that both measured, the most changed first.
    """

    model_config = ConfigDict(frozen=True)

    device: tuple[str, ...]
    measured: int
    measured_ratio: float | None
    predicted_ratio: float
    low_ratio: float
    high_ratio: float
    kendall_tau: float
    kernels: tuple[KernelChange, ...]


def diff_tables(first: LatencyTable, second: LatencyTable) -> TableDiff:
    """Return how `second` compares with `first`; raises TableError where their networks cannot be compared."""
    if first.input_format != second.input_format:
        raise TableError(
            f"the tables are of different inputs (batch, channels, classes): {first.input_format} and "
            f"{second.input_format}"
        )
    ours, theirs = ({o.spec.digest: o for o in table.observations} for table in (first, second))
    both = [digest for digest in ours if digest in theirs]
    ratios = [theirs[d].cost * second.reference_ms / (ours[d].cost * first.reference_ms) for d in both]
    specs = {digest: o.spec for digest, o in (ours | theirs).items()}
    predicted = np.array([[table.predict_any(spec).ms for spec in specs.values()] for table in (first, second)])
    quotients = predicted[1] / predicted[0]
    low, middle, high = (float(q) for q in np.quantile(quotients, (0.05, 0.5, 0.95)))
    return TableDiff(
        device=tuple(first.device.differences(second.device)),
        measured=len(both),
        measured_ratio=float(np.median(ratios)) if ratios else None,
        predicted_ratio=middle,
        low_ratio=low,
        high_ratio=high,
        kendall_tau=float(kendalltau(*predicted).statistic),
        kernels=tuple(_changes(first.kernels(), second.kernels())),
    )


def _changes(first: Sequence[KernelRow], second: Sequence[KernelRow]) -> list[KernelChange]:
    theirs = {row.key: row.ms for row in second}
    changes = [
        KernelChange(row.key, row.ms, theirs[row.key], theirs[row.key] / row.ms) for row in first if row.key in theirs
    ]
    return sorted(changes, key=lambda change: -abs(np.log(change.ratio)))
