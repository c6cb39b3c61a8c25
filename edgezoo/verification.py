"""Predicted against measured latency of a search's best candidates, before any of them is trained."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from latency_tables import MeasurementError, get_runtime
from latency_tables.measurement import one_core, summarize, time_sessions
from search import Candidate, SearchResult
from zoo.files import write_atomic

MOST = 12


class Verified(BaseModel):
    """A candidate's latency as predicted and as measured with untrained weights, which cost the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    predicted_ms: float
    measured_ms: float


_LIST = TypeAdapter(list[Verified])


def contenders(result: SearchResult) -> list[Candidate]:
    """Return the candidates worth measuring: the most accurate first, then what else is on the front."""
    chosen = result.by_accuracy()[:MOST]
    chosen += [c for c in reversed(result.pareto_front) if c not in chosen]
    return chosen[:MOST]


def verify(
    candidates: Sequence[Candidate],
    path: Path,
    *,
    runtime: str,
    dtype: str,
    threads: int,
    in_chans: int,
    num_classes: int,
) -> list[Verified]:
    """Measure `candidates` in turns and write the figures to `path`; an earlier file of the same trials is kept."""
    if path.exists():
        known = _LIST.validate_json(path.read_bytes())
        if [v.trial for v in known] == [c.trial for c in candidates]:
            return known
    backend = get_runtime(runtime, dtype)
    sessions, timed = [], []
    with one_core(threads):
        for candidate in candidates:
            spec = candidate.spec
            network = spec.deployed().build(num_classes, in_chans, seed=0)
            shape = (1, in_chans, spec.resolution, spec.resolution)
            try:
                sessions.append(backend.prepare(network, shape, dtype=dtype, threads=threads))
                timed.append(candidate)
            except MeasurementError:
                continue
        samples = time_sessions(sessions, max_seconds=6.0) if sessions else []
    verified = [
        Verified(trial=c.trial, predicted_ms=c.predicted_ms, measured_ms=summarize(taken).median_ms)
        for c, taken in zip(timed, samples, strict=True)
    ]
    write_atomic(path, _LIST.dump_json(verified, indent=1))
    return verified
