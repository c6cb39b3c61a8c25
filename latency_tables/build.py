"""Making a table: networks drawn from a space, each measured and profiled, one after another."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from latency_tables.device import Device, this_device
from latency_tables.errors import MeasurementError, TableError
from latency_tables.measurement import one_core
from latency_tables.observation import Observation, observe
from latency_tables.runtimes import get_runtime
from latency_tables.table import MIN_NETWORKS, LatencyTable, validate
from zoo import ArchSpec, BlockSpec, get_spec

# about half a millisecond: convolutions of every sort, small enough to run beside every sample
_REFERENCE = ArchSpec(
    resolution=32,
    blocks=(
        BlockSpec(kind="conv", out_chans=16),
        BlockSpec(kind="conv", out_chans=32, stride=2),
        BlockSpec(kind="inverted_residual", out_chans=64, stride=2),
        BlockSpec(kind="inverted_residual", out_chans=64, options={"expand": 4.0}),
        BlockSpec(kind="conv", out_chans=128, options={"kernel": 1}),
    ),
)


class Sampleable(Protocol):
    """Anything with a name that networks can be drawn from."""

    name: str

    def sample(self, rng: random.Random) -> ArchSpec:
        """Return a random network."""
        ...


class _Plan(BaseModel):
    """What a half-finished build was started with; another plan does not continue it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Device
    space: str
    seed: int
    in_chans: int
    num_classes: int


def build_table(
    source: Sampleable | Sequence[str | ArchSpec],
    *,
    runtime: str = "onnxruntime",
    dtype: str = "fp32",
    threads: int = 1,
    networks: int = 60,
    in_chans: int = 3,
    num_classes: int = 10,
    seed: int = 0,
    seconds_each: float = 0.4,
    progress_file: str | Path | None = None,
    on_network: Callable[[int, int], None] | None = None,
) -> LatencyTable:
    """Measure networks on this machine and return the table that predicts others like them.

    Args:
        source: a space, of which `networks` are drawn at random, or names and specs, measured each.
        seconds_each: most time for the samples of one network.
        progress_file: keeps what is measured so far; a build of the same plan goes on from it.
        on_network: called with (done, all) after each network.

    A network that the runtime cannot run is left out. Raises TableError where too few are left.
    """
    backend = get_runtime(runtime, dtype)
    specs = _specs(source, networks, seed)
    space = str(getattr(source, "name", "list"))
    device = this_device(runtime, dtype, threads)
    plan = _Plan(device=device, space=space, seed=seed, in_chans=in_chans, num_classes=num_classes)
    log = _ProgressLog(Path(progress_file) if progress_file else None, plan)
    observations: list[Observation] = []
    with one_core(threads):
        shape = (1, in_chans, _REFERENCE.resolution, _REFERENCE.resolution)
        network = _REFERENCE.build(num_classes, in_chans, seed=0)
        reference = backend.prepare(network, shape, dtype=dtype, threads=threads)
        for done, spec in enumerate(specs, start=1):
            observation = log.known.get(spec.digest)
            if observation is None:
                try:
                    observation = observe(
                        spec,
                        backend=backend,
                        reference=reference,
                        dtype=dtype,
                        threads=threads,
                        in_chans=in_chans,
                        num_classes=num_classes,
                        max_seconds=seconds_each,
                    )
                except MeasurementError:
                    continue
                log.append(observation)
            observations.append(observation)
            if on_network:
                on_network(done, len(specs))
    if len(observations) < MIN_NETWORKS:
        raise TableError(f"{len(observations)} networks measured; a table needs at least {MIN_NETWORKS}")
    paces = sorted(o.reference_ms for o in observations)
    return LatencyTable(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        space=space,
        device=device,
        in_chans=in_chans,
        num_classes=num_classes,
        reference_ms=paces[len(paces) // 2],
        observations=tuple(observations),
        validation=validate(observations),
    )


def _specs(source: Sampleable | Sequence[str | ArchSpec], networks: int, seed: int) -> list[ArchSpec]:
    if isinstance(source, Sequence):
        chosen = [get_spec(item) if isinstance(item, str) else item for item in source]
    else:
        rng = random.Random(seed)
        chosen = [source.sample(rng) for _ in range(networks)]
    return list({spec.digest: spec for spec in chosen}.values())


class _ProgressLog:
    """Lines of JSON, one a measured network, the plan first; a last line cut short by a kill is dropped."""

    def __init__(self, path: Path | None, plan: _Plan) -> None:
        self._path = path
        self.known: dict[str, Observation] = {}
        if path is None:
            return
        lines = path.read_text().splitlines() if path.exists() else []
        kept = self._read(lines, plan)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line + "\n" for line in [plan.model_dump_json(), *kept]))

    def _read(self, lines: list[str], plan: _Plan) -> list[str]:
        kept: list[str] = []
        try:
            if not lines or _Plan.model_validate_json(lines[0]) != plan:
                return kept
            for line in lines[1:]:
                observation = Observation.model_validate_json(line)
                self.known[observation.spec.digest] = observation
                kept.append(line)
        except ValidationError:
            pass
        return kept

    def append(self, observation: Observation) -> None:
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(observation.model_dump_json() + "\n")
