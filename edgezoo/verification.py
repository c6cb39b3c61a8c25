"""Predicted against measured latency of a search's best candidates, before any of them is trained."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from latency_tables import MeasurementError
from latency_tables.bench import Bench
from latency_tables.measurement import common_reference_ms, summarize, time_in_turns
from search import Candidate, SearchResult
from zoo.files import read_small, write_atomic

MOST = 12
_SECONDS_EACH = 1.5


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


def known_figures(path: Path) -> list[Verified]:
    """Return the figures that an earlier `verify` wrote to `path`, none where the file is missing or damaged."""
    try:
        return _LIST.validate_json(read_small(path))
    except (OSError, ValidationError):
        return []


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
    known = known_figures(path)
    if known and [v.trial for v in known] == [c.trial for c in candidates]:
        return known
    timed: dict[str, Candidate] = {}
    with Bench(runtime, dtype, threads) as bench:
        for candidate in candidates:
            spec, name = candidate.spec, str(candidate.trial)
            network = spec.deployed().build(num_classes, in_chans, seed=0)
            try:
                bench.add(name, network, (1, in_chans, spec.resolution, spec.resolution))
                timed[name] = candidate
            except MeasurementError:
                continue
        samples = time_in_turns(bench, list(timed), seconds_each=_SECONDS_EACH)
    pace = common_reference_ms(samples.values())
    verified = [
        Verified(
            trial=timed[name].trial,
            predicted_ms=timed[name].predicted_ms,
            measured_ms=summarize(taken, reference_ms=pace).median_ms,
        )
        for name, taken in samples.items()
    ]
    write_atomic(path, _LIST.dump_json(verified, indent=1))
    return verified
