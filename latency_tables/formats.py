"""The figures of a table for other programs: CSV and Parquet."""

import io
from pathlib import Path

from latency_tables.errors import TableError
from latency_tables.table import LatencyTable
from zoo.files import write_atomic

SUFFIXES = (".csv", ".parquet")


def export_table(table: LatencyTable, path: str | Path, *, what: str = "kernels") -> None:
    """Write a table's `kernels`, or its measured `networks`, as CSV or Parquet by the suffix of `path`; atomic.

    The device's fields are columns of every row, so that files of several devices can be put together.
    """
    import pandas

    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise TableError(
            f"a table is exported to {' or '.join(SUFFIXES)}, not {path.name!r}; --out FILE.json copies it"
        )
    device = table.device.model_dump(exclude={"settings"})
    if what == "kernels":
        frame = pandas.DataFrame([row._asdict() for row in table.kernels()])
        if frame.empty:
            raise TableError(
                f"runtime {table.device.runtime!r} offers no profile: the table has no kernels, --networks"
            )
    else:
        frame = pandas.DataFrame(
            {
                "digest": o.spec.digest,
                "resolution": o.spec.resolution,
                "ms": o.cost * table.reference_ms,
                "low_ms": o.low * table.reference_ms,
                "high_ms": o.high * table.reference_ms,
                "samples": o.samples,
                "rejected": o.rejected,
                "spec": o.spec.to_json(),
            }
            for o in table.observations
        )
    frame = frame.assign(**device)
    if path.suffix == ".csv":
        write_atomic(path, frame.to_csv(index=False))
    else:
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        write_atomic(path, buffer.getvalue())
