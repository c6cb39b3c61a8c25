"""The latency table: measured networks of one device, and predictions out of them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.stats import kendalltau
from sklearn.model_selection import KFold

from latency_tables.device import Device
from latency_tables.errors import TableError
from latency_tables.estimator import Estimator
from latency_tables.kernels import spec_kernels
from latency_tables.observation import Observation
from zoo import ArchSpec
from zoo.files import write_atomic
from zoo.spec import one_line

SCHEMA_VERSION = 1
MIN_NETWORKS = 10
MAX_BYTES = 64 * 2**20
_FOLDS = 5


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


class Validation(BaseModel):
    """How predictions for networks left out of the fit compare with their measurements.

    Attributes:
        mape: mean absolute error, relative; `worst` the largest.
        within_5, within_10: shares of networks within 5 and 10 %.
        low_ratio, high_ratio: 5 % and 95 % quantiles of measured / predicted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: int
    mape: float
    within_5: float
    within_10: float
    worst: float
    kendall_tau: float
    low_ratio: float
    high_ratio: float


class LatencyTable(BaseModel):
    """Measured networks of one device.

    Attributes:
        created: UTC time, ISO 8601.
        space: what the measured networks were drawn from.
        reference_ms: typical latency of the reference network, the unit of every cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    schema_version: Literal[1] = SCHEMA_VERSION
    created: str
    space: str
    device: Device
    in_chans: int
    num_classes: int
    reference_ms: Annotated[float, Field(gt=0)]
    observations: Annotated[tuple[Observation, ...], Field(min_length=MIN_NETWORKS, max_length=10_000)]
    validation: Validation

    @cached_property
    def _estimator(self) -> Estimator:
        return Estimator(self.observations)

    def predict(self, spec: ArchSpec) -> Estimate:
        """Return the latency of `spec` at its own resolution on the table's device; nothing is measured."""
        cost = self._estimator.cost(spec_kernels(spec, self.num_classes, self.in_chans))
        ms = cost.value * self.reference_ms
        # kernels that were never measured cost twice the doubt
        doubt = 2.0 - cost.coverage
        low = 1 - (1 - self.validation.low_ratio) * doubt
        high = 1 + (self.validation.high_ratio - 1) * doubt
        return Estimate(ms, ms * max(low, 0.0), ms * high, cost.coverage)

    def save(self, path: str | Path) -> None:
        """Write the table as one JSON file with a checksum; atomic."""
        body = self.model_dump(mode="json")
        write_atomic(Path(path), json.dumps({"checksum": _checksum(body), "table": body}, indent=1))


def validate(observations: Sequence[Observation]) -> Validation:
    """Return how an estimator made of four fifths of `observations` predicts the others, for each fifth."""
    measured = np.array([o.cost for o in observations])
    predicted = np.empty(len(observations))
    for train, test in KFold(min(_FOLDS, len(observations)), shuffle=True, random_state=0).split(measured):
        estimator = Estimator([observations[i] for i in train])
        for index in test:
            o = observations[index]
            predicted[index] = estimator.cost(spec_kernels(o.spec, o.num_classes, o.in_chans)).value
    errors, ratios = np.abs(predicted / measured - 1), measured / predicted
    return Validation(
        networks=len(observations),
        mape=float(errors.mean()),
        within_5=float((errors <= 0.05).mean()),
        within_10=float((errors <= 0.1).mean()),
        worst=float(errors.max()),
        kendall_tau=float(kendalltau(predicted, measured).statistic),
        low_ratio=min(1.0, float(np.quantile(ratios, 0.05))),
        high_ratio=max(1.0, float(np.quantile(ratios, 0.95))),
    )


def load_table(path: str | Path) -> LatencyTable:
    """Return a saved table; raises TableError where the file is missing, damaged, edited or of another schema."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TableError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: not a latency table")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise TableError(f"cannot read {path}: {error.strerror}; edgezoo latency build makes one") from None
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
