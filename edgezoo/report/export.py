"""The candidates of a search as a table for other programs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from zoo import EdgezooError

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from search import SearchResult

FORMATS = ("csv", "json", "parquet")


def candidates_frame(result: SearchResult, study: optuna.Study | None = None) -> pd.DataFrame:
    """Return one row a candidate, in order of the trials.

    Columns: trial, digest, notation, spec (JSON), accuracy (0..1), predicted_ms, params, macs, on_front; with the
    `study` also `choice_NAME` for every choice of its space.
    """
    import pandas as pd

    from edgezoo.report.choices import choices_of
    from zoo.summary import notation

    front = {candidate.trial for candidate in result.pareto_front}
    choices = choices_of(result, study) if study else [{} for _ in result.candidates]
    return pd.DataFrame(
        {
            "trial": c.trial,
            "digest": c.spec.digest,
            "notation": notation(c.spec),
            "spec": c.spec.to_json(),
            "accuracy": c.accuracy,
            "predicted_ms": c.predicted_ms,
            "params": c.params,
            "macs": c.macs,
            "on_front": c.trial in front,
            **{f"choice_{name}": value for name, value in chosen.items()},
        }
        for c, chosen in zip(result.candidates, choices, strict=True)
    )


def frame_bytes(frame: pd.DataFrame, form: str) -> bytes:
    """Return `frame` as the content of a file; raises EdgezooError for a form that is not of `FORMATS`."""
    if form == "csv":
        return frame.to_csv(index=False).encode()
    if form == "json":
        return str(frame.to_json(orient="records", indent=1, double_precision=15)).encode()
    if form == "parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()
    raise EdgezooError(f"unknown format {form!r}; there are {', '.join(FORMATS)}")
