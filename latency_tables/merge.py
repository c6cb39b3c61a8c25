"""Several tables of one device made into one."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from latency_tables.errors import TableError
from latency_tables.observation import Observation
from latency_tables.table import LatencyTable
from latency_tables.validation import validate


def merge_tables(tables: Sequence[LatencyTable]) -> LatencyTable:
    """Return one table of all the networks of `tables`; of one measured twice the steadier measurement counts.

    Raises TableError unless all are of the same device and input.
    """
    if len(tables) < 2:
        raise TableError("merging takes at least two tables")
    first = tables[0]
    for other in tables[1:]:
        different = first.device.differences(other.device)
        if first.input_format != other.input_format:
            different.append(f"batch, channels, classes: {first.input_format}, {other.input_format}")
        if different:
            raise TableError(f"the tables are not of the same device ({'; '.join(different)})")
    best: dict[str, Observation] = {}
    for observation in (o for table in tables for o in table.observations):
        known = best.get(observation.spec.digest)
        if known is None or _width(observation) < _width(known):
            best[observation.spec.digest] = observation
    failures = {f.spec.digest: f for table in tables for f in table.failures if f.spec.digest not in best}
    observations = tuple(best.values())
    return first.replace(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        space="+".join(dict.fromkeys(table.space for table in tables)),
        reference_ms=float(np.median([o.reference_ms for o in observations])),
        observations=observations,
        failures=tuple(failures.values()),
        validation=validate(observations),
    )


def _width(observation: Observation) -> float:
    return (observation.high - observation.low) / observation.cost
