"""The latency table: measured networks of one device, and predictions out of them."""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latency_tables.cost import Cost
from latency_tables.device import Device
from latency_tables.errors import TableError
from latency_tables.estimator import Estimator
from latency_tables.kernels import Part, spec_parts
from latency_tables.observation import Chans, Classes, Measured, Observation
from latency_tables.validation import Validation, doubts_of, half_width
from zoo import ArchSpec
from zoo.files import write_atomic
from zoo.spec import one_line

SCHEMA_VERSION = 3
MIN_NETWORKS = 10
SHIPPED = Path(__file__).parent / "tables"  # measured on the reference machine by scripts/bench_latency_tables.py
MAX_BYTES = 64 * 2**20
_WIDEST = 20.0  # half width of an interval, as a logarithm: nothing is known at all
_STRETCH = 2  # of the measured image sizes, as far as predictions go


@dataclass(frozen=True)
class Estimate:
    """Predicted latency of a network, in milliseconds.

    Attributes:
        low_ms, high_ms: holds the measured latency nine times in ten, by the table's validation.
        coverage: share of the convolutions' cost that stands on measured kernels, 0..1.
    """

    ms: float
    low_ms: float
    high_ms: float
    coverage: float


class KernelRow(NamedTuple):
    """A kernel in the networks that had it.

    Attributes:
        executed: how the runtime executed it.
        ms, low_ms, high_ms: median, lowest and highest of `networks` networks, milliseconds.
    """

    key: str
    executed: str
    ms: float
    low_ms: float
    high_ms: float
    networks: int


class Failure(BaseModel):
    """A network that the runtime could not run, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: ArchSpec
    reason: str


class LatencyTable(BaseModel):
    """Measured networks of one device.

    Attributes:
        created: UTC time, ISO 8601.
        edgezoo_version: that made it.
        space: what the measured networks were drawn from.
        batch: images at a time.
        reference_ms: typical latency of the reference network, the unit of every cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(cached_property,))

    schema_version: Literal[3] = SCHEMA_VERSION
    created: str
    edgezoo_version: str
    space: str
    device: Device
    batch: Annotated[int, Field(ge=1)]
    in_chans: Chans
    num_classes: Classes
    reference_ms: Measured
    observations: Annotated[tuple[Observation, ...], Field(min_length=MIN_NETWORKS, max_length=10_000)]
    failures: Annotated[tuple[Failure, ...], Field(max_length=10_000)]
    validation: Validation

    @cached_property
    def _estimator(self) -> Estimator:
        return Estimator(self.observations)

    @cached_property
    def _part_costs(self) -> dict[Part, Cost]:
        return {}

    def part_cost(self, part: Part) -> Cost:
        """Return the cost of a block or a head; a network is its parts and what it costs `beside_parts`."""
        cost = self._part_costs.get(part)
        if cost is None:
            cost = self._part_costs[part] = self._estimator.part(part.kernels)
        return cost

    def beside_parts(self, weights: int) -> float:
        """Return what a network that reads so many weights costs besides its parts."""
        return self._estimator.beside_parts(weights)

    @property
    def input_format(self) -> tuple[int, int, int]:
        """Images at a time, channels of an image, and classes of the head."""
        return self.batch, self.in_chans, self.num_classes

    @cached_property
    def resolutions(self) -> tuple[int, int]:
        """Smallest and largest image of the measured networks, in pixels."""
        sizes = [o.spec.resolution for o in self.observations]
        return min(sizes), max(sizes)

    def predict(self, spec: ArchSpec, *, batch: int | None = None) -> Estimate:
        """Return the latency of `spec` at its own resolution on the table's device; nothing is measured.

        Raises TableError for a `batch` that is not the table's, and for images of less than half or more than twice
        the size of those measured, about which the table knows nothing.
        """
        if batch not in (None, self.batch):
            raise TableError(f"the table is of batch {self.batch}, not {batch}: build one with --batch {batch}")
        self.check_image_size(spec.resolution)
        return self.predict_any(spec)

    def check_image_size(self, pixels: int) -> None:
        """Raise TableError for an image size about which the table knows nothing."""
        smallest, largest = self.resolutions
        if not smallest / _STRETCH <= pixels <= largest * _STRETCH:
            sizes = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
            raise TableError(
                f"the table is of images of {sizes} pixels, the network of {pixels}: give another image size, or build "
                "a table of networks of that size"
            )

    def predict_any(self, spec: ArchSpec) -> Estimate:
        """Return the latency of `spec` however unlike the measured networks it is."""
        parts = spec_parts(spec, self.num_classes, self.in_chans)
        cost = self._estimator.whole(map(self.part_cost, parts))
        ms = cost.value * self.reference_ms
        factor = math.exp(min(half_width(self.validation.width, doubts_of(self._estimator, cost)), _WIDEST))
        return Estimate(ms, ms / factor, ms * factor, min(cost.known / cost.value, 1.0))

    def replace(self, **changes: object) -> "LatencyTable":
        """Return the table with some fields changed; `model_copy` would keep the estimator of the old ones."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return LatencyTable(**fields | changes)

    def kernels(self) -> list[KernelRow]:
        """Return the measured kernels, the dearest first."""
        executed = {key: how for o in self.observations if o.profile for key, how in o.profile.executed.items()}
        rows = [
            KernelRow(key, executed[key], *(cost * self.reference_ms for cost in found[:3]), found.networks)
            for key, found in self._estimator.kernels.items()
        ]
        return sorted(rows, key=lambda row: -row.ms)

    def save(self, path: str | Path) -> None:
        """Write the table as one JSON file with a checksum; atomic."""
        body = self.model_dump(mode="json")
        write_atomic(Path(path), json.dumps({"checksum": _checksum(body), "table": body}, indent=1))


def shipped_tables() -> list[str]:
    """Return the names of the tables of the reference machine that ship, `runtime-dtype`."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def load_table(path: str | Path) -> LatencyTable:
    """Return a saved table, or one that ships by its name; `shipped_tables` lists them.

    Raises TableError where the file is missing, damaged, edited or of another schema.
    """
    path = Path(path)
    if str(path) in shipped_tables() and not path.exists():
        path = SHIPPED / f"{path}.json"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TableError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: not a latency table")
        content = json.loads(path.read_bytes())
    except OSError as error:
        ready = f"; ready ones: {', '.join(shipped_tables())}" if shipped_tables() else ""
        raise TableError(f"cannot read {path}: {error.strerror}; edgezoo latency build makes one{ready}") from None
    except (ValueError, RecursionError):
        raise TableError(f"{path} is not a latency table: no valid JSON (cut short?)") from None
    if not isinstance(content, dict) or not isinstance(content.get("table"), dict):
        raise TableError(f"{path} is not a latency table")
    body = content["table"]
    if body.get("schema_version") != SCHEMA_VERSION:
        version = body.get("schema_version")
        raise TableError(f"{path} has table schema {version!r}; this edgezoo reads {SCHEMA_VERSION}: build it again")
    if content.get("checksum") != _checksum(body):
        raise TableError(f"{path} was changed after it was measured (checksum): build it again")
    try:
        return LatencyTable.model_validate_json(json.dumps(body))
    except ValidationError as error:
        raise TableError(f"{path}: {one_line(error)}") from None


def _checksum(body: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
