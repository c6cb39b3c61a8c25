"""Making a table: networks drawn from a space and chosen for their kernels, timed side by side and profiled."""

import contextlib
import importlib.metadata
import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from latency_tables.bench import Bench, Paired
from latency_tables.errors import MeasurementError, TableError
from latency_tables.exporter import Exported, ExportJob, export_all
from latency_tables.kernels import spec_kernels
from latency_tables.measurement import Measurement, summarize, time_in_turns
from latency_tables.observation import Observation, Profile
from latency_tables.profiles import share_out
from latency_tables.progress_log import Plan, ProgressLog
from latency_tables.runtimes import get_runtime
from latency_tables.table import MIN_NETWORKS, Failure, LatencyTable
from latency_tables.transport import LOCAL, UnreachableError
from latency_tables.validation import validate
from zoo import ArchSpec, get_spec

_POOL = 4  # candidates for each network that is chosen for its kernels
_PROFILE_SECONDS = 0.15
_LEAST_PROFILE_RUNS, _MOST_PROFILE_RUNS = 8, 60
_ROUNDS = 16
_STEPS = 3  # that a network goes through: exported, loaded, timed


class Sampleable(Protocol):
    """Anything with a name that networks can be drawn from."""

    name: str

    def sample(self, rng: random.Random) -> ArchSpec:
        """Return a random network."""
        ...


def build_table(
    source: Sampleable | Sequence[str | ArchSpec],
    *,
    runtime: str = "onnxruntime",
    dtype: str = "fp32",
    threads: int = 1,
    networks: int = 120,
    also: Sequence[str | ArchSpec] = (),
    batch: int = 1,
    in_chans: int = 3,
    num_classes: int = 10,
    seed: int = 0,
    seconds_each: float = 1.0,
    rounds: int = _ROUNDS,
    device: str = LOCAL,
    progress_file: str | Path | None = None,
    on_network: Callable[[int, int], None] | None = None,
) -> LatencyTable:
    """Measure networks on a device and return the table that predicts others like them.

    Args:
        source: a space, of which `networks` are measured, half of them drawn at random, half chosen for the kernels
            that the others lack; or names and specs, measured each.
        also: names and specs measured beside those of a space.
        seconds_each: most time for the samples of one network.
        rounds: in which the networks are visited in turns.
        device: `local`, or `ssh://[user@]host[:port][/path/of/python]`.
        progress_file: keeps what is measured so far; a build of the same plan goes on from it.
        on_network: called with (done, all); a network is done in three steps: exported, loaded, timed.

    A network that the runtime cannot run is left out and named in the table's `failures`. Raises TableError where too
    few are left, RuntimeUnavailableError where the runtime is missing.
    """
    if device == LOCAL:
        get_runtime(runtime, dtype)
    drawn, chosen = _choose(source, also, networks, seed, num_classes, in_chans)
    specs = {spec.digest: spec for spec in (*drawn, *chosen)}
    fair = {spec.digest for spec in drawn}
    space = str(getattr(source, "name", "list"))
    with Bench(runtime, dtype, threads, device=device) as bench:
        plan = Plan(
            device=bench.device,
            space=space,
            seed=seed,
            batch=batch,
            in_chans=in_chans,
            num_classes=num_classes,
            rounds=rounds,
            networks=tuple(specs),
        )
        log = ProgressLog(Path(progress_file) if progress_file else None, plan)
        _measure(bench, specs, plan, log, seconds_each, on_network)
    return _table(specs, fair, plan, log)


def _measure(
    bench: Bench,
    specs: Mapping[str, ArchSpec],
    plan: Plan,
    log: ProgressLog,
    seconds_each: float,
    on_network: Callable[[int, int], None] | None,
) -> None:
    """Fill `log` with what it does not know of the networks `specs`, by digest."""
    steps = 0

    def advance() -> None:
        nonlocal steps
        steps += 1
        if on_network:
            on_network(steps // _STEPS, len(specs))

    def note(name: str, taken: list[Paired], finished: bool) -> None:
        log.add_samples(name, taken, finished)
        if finished:
            advance()

    unfinished = [digest for digest in specs if digest not in log.failures and digest not in log.finished]
    for _ in range(_STEPS * (len(specs) - len(unfinished))):
        advance()
    with tempfile.TemporaryDirectory(prefix="edgezoo-") as folder:
        jobs = [_export_job(specs[digest], plan, Path(folder, digest)) for digest in unfinished]
        exported = {}
        for one in export_all(jobs):
            exported[one.job.spec.digest] = one
            advance()
        for digest in unfinished:
            _load(bench, exported[digest], log)
            advance()
    waiting = [digest for digest in unfinished if digest not in log.failures]
    timed = time_in_turns(
        bench, waiting, seconds_each=seconds_each, min_visits=plan.rounds, known=log.samples, on_visit=note
    )
    for digest in set(waiting) - set(timed):
        log.add_failure(digest, "the runtime failed while the network was timed")
    for job in jobs:
        # some minutes after the first: of the two the quicker was disturbed less
        if job.spec.digest in timed and log.profiles[job.spec.digest]:
            with contextlib.suppress(MeasurementError):
                log.add_profile(job.spec.digest, _profile(bench, job))


def _table(specs: Mapping[str, ArchSpec], fair: set[str], plan: Plan, log: ProgressLog) -> LatencyTable:
    measured = [digest for digest in specs if digest in log.finished]
    if len(measured) < MIN_NETWORKS:
        reason = f": {next(iter(log.failures.values()))}" if log.failures else ""
        raise TableError(f"{len(measured)} networks measured; a table needs at least {MIN_NETWORKS}{reason}")
    observations = [
        _observation(specs[digest], summarize(log.samples[digest]), log.profiles[digest], digest in fair, plan)
        for digest in measured
    ]
    return LatencyTable(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        edgezoo_version=importlib.metadata.version("edgezoo"),
        space=plan.space,
        device=plan.device,
        batch=plan.batch,
        in_chans=plan.in_chans,
        num_classes=plan.num_classes,
        reference_ms=statistics.median(o.reference_ms for o in observations),
        observations=tuple(observations),
        failures=tuple(Failure(spec=specs[digest], reason=reason) for digest, reason in log.failures.items()),
        validation=validate(observations),
    )


def _choose(
    source: Sampleable | Sequence[str | ArchSpec],
    also: Sequence[str | ArchSpec],
    networks: int,
    seed: int,
    num_classes: int,
    in_chans: int,
) -> tuple[list[ArchSpec], list[ArchSpec]]:
    """Return the networks drawn at random and those chosen for their kernels."""
    named = [get_spec(item) if isinstance(item, str) else item for item in also]
    if isinstance(source, Sequence):
        return [get_spec(item) if isinstance(item, str) else item for item in source], named
    rng = random.Random(seed)
    drawn = [source.sample(rng) for _ in range(networks - networks // 2)]
    pool = [source.sample(rng) for _ in range(_POOL * (networks // 2))]
    return drawn, named + cover_kernels(drawn + named, pool, networks // 2, num_classes, in_chans)


def cover_kernels(
    measured: Sequence[ArchSpec], pool: Sequence[ArchSpec], count: int, num_classes: int, in_chans: int
) -> list[ArchSpec]:
    """Return `count` networks of `pool` whose convolutions the `measured` lack, the most useful first; greedy.

    A kernel is worth its share of multiply-adds summed over the pool's networks that have it.
    """

    def work(spec: ArchSpec) -> dict[str, float]:
        shares: dict[str, float] = defaultdict(float)
        kernels = [p.kernel for p in spec_kernels(spec, num_classes, in_chans) if p.kernel.has_weights]
        total = sum(k.macs for k in kernels)
        for kernel in kernels:
            shares[kernel.key] += kernel.macs / total
        return shares

    parts = [work(spec) for spec in pool]
    worth: dict[str, float] = defaultdict(float)
    for part in parts:
        for key, share in part.items():
            worth[key] += share
    known = {key for spec in measured for key in work(spec)}
    waiting, chosen = list(range(len(pool))), []
    for _ in range(min(count, len(pool))):
        gains = [sum(worth[key] for key in parts[i] if key not in known) for i in waiting]
        best = waiting.pop(gains.index(max(gains)))
        known |= set(parts[best])
        chosen.append(pool[best])
    return chosen


def _export_job(spec: ArchSpec, plan: Plan, folder: Path) -> ExportJob:
    folder.mkdir()
    return ExportJob(
        spec=spec,
        runtime=plan.device.runtime,
        dtype=plan.device.dtype,
        batch=plan.batch,
        in_chans=plan.in_chans,
        num_classes=plan.num_classes,
        folder=folder,
    )


def _load(bench: Bench, exported: Exported, log: ProgressLog) -> None:
    """Load a network into `bench` under its digest and profile it, or note why the runtime cannot run it."""
    job, name = exported.job, exported.job.spec.digest
    if exported.path is None:
        log.add_failure(name, exported.failure)
        return
    size = job.spec.resolution
    try:
        bench.add_exported(name, exported.path, (job.batch, job.in_chans, size, size))
        if name not in log.profiles:
            log.add_profile(name, _profile(bench, job))
    except UnreachableError:  # no fault of the network: the same build goes on once the device is back
        raise
    except MeasurementError as error:
        log.add_failure(name, str(error))


def _profile(bench: Bench, job: ExportJob) -> Profile | None:
    name = job.spec.digest
    before = bench.visit(name)
    runs = min(max(int(_PROFILE_SECONDS * 1000 / before[-1].ms), _LEAST_PROFILE_RUNS), _MOST_PROFILE_RUNS)
    nodes = bench.profile(name, runs)
    if nodes is None:
        return None
    ms = statistics.median(sample.ms for sample in (*before, *bench.visit(name)))
    return share_out(nodes, spec_kernels(job.spec, job.num_classes, job.in_chans), ms)


def _observation(
    spec: ArchSpec, measured: Measurement, profile: Profile | None, drawn: bool, plan: Plan
) -> Observation:
    return Observation(
        spec=spec,
        in_chans=plan.in_chans,
        num_classes=plan.num_classes,
        ms=measured.median_ms,
        reference_ms=measured.reference_ms,
        cost=measured.cost,
        low=measured.low_ms / measured.reference_ms,
        high=measured.high_ms / measured.reference_ms,
        samples=measured.samples,
        rejected=measured.rejected,
        drawn=drawn,
        profile=profile,
    )
