"""A shipped artifact checked again: its bytes, its accuracy, its latency."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from latency_tables import get_runtime, measure, this_device
from model_compression.errors import ArtifactError
from model_compression.export.artifact import ModelCard
from model_compression.export.onnx import evaluate_session
from zoo.data import load_data
from zoo.data.splits import Splits
from zoo.errors import first_line
from zoo.files import read_small
from zoo.spec import one_line

_ACCURACY_POINTS = 0.005  # other versions of a runtime round otherwise
_PACE = 0.05
_SLOWER = 1.25  # machines are shared; what is slower than that beside the reference network is another latency


@dataclass(frozen=True)
class Check:
    """One promise of a card.

    Attributes:
        holds: None where it cannot be told here.
        told: the finding in a line.
    """

    subject: str
    holds: bool | None
    told: str


def read_card(path: Path) -> ModelCard:
    """Return the card beside the model file `path`; raises ArtifactError."""
    card = path.with_suffix(".json")
    try:
        return ModelCard.model_validate_json(read_small(card))
    except OSError as error:
        raise ArtifactError(f"cannot read the card {card}: {error.strerror}") from None
    except ValidationError as error:
        raise ArtifactError(f"{card} is no model card: {one_line(error)}") from None


def verify_artifact(path: Path, data: str | Splits | None = None) -> list[Check]:
    """Check the model file `path` against the card beside it: hash, accuracy on the test images, latency.

    Args:
        data: where the card's own name is not to be found here.

    Raises ArtifactError where file or card cannot be read, DataError, RuntimeUnavailableError or MeasurementError.
    """
    card = read_card(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}") from None
    if digest != card.sha256:
        told = f"sha256 {digest[:12]}..., the card says {card.sha256[:12]}...: the file was changed"
        return [Check("bytes", False, told)]
    found = [Check("bytes", True, f"sha256 {digest[:12]}...")]
    return [*found, _accuracy(path, card, data), _latency(path, card)]


def _accuracy(path: Path, card: ModelCard, data: str | Splits | None) -> Check:
    promised = card.test.of(card.device.dtype)
    if promised is None:
        return Check("accuracy", None, "the card has none on the test images")
    if not isinstance(data, Splits):
        data = load_data(data or card.data, resolution=card.image_size or card.input.resolution)
    if data.classes != card.classes:
        return Check("accuracy", None, f"{data.name} has other classes than {card.data}")
    runtime, dtype, threads = card.device.runtime, card.device.dtype, card.device.threads
    shape = (1, card.input.channels, card.input.resolution, card.input.resolution)
    try:
        session = get_runtime(runtime, dtype).load(path, shape, dtype=dtype, threads=threads)
        reached = evaluate_session(session, data.test, data, card.input.resolution)
    except (RuntimeError, ValueError) as error:  # runtimes raise whatever they like
        return Check("accuracy", False, first_line(error))
    told = f"{runtime} {dtype} {reached:.1%} of {len(data.test):,} test images, the card says {promised:.1%}"
    return Check("accuracy", reached >= promised - _ACCURACY_POINTS, told)


def _latency(path: Path, card: ModelCard) -> Check:
    runtime, dtype, threads = card.device.runtime, card.device.dtype, card.device.threads
    measured = measure(path, runtime=runtime, dtype=dtype, threads=threads)
    told = f"{measured.median_ms:.3f} ms, the card says {card.measured_ms:.3f}"
    different = card.device.differences(this_device(runtime, dtype, threads))
    if different:
        return Check("latency", None, f"{told} on another device ({'; '.join(different)})")
    pace = measured.reference_ms / card.reference_ms if card.reference_ms else 1.0
    if abs(pace - 1) > _PACE:
        told += f", the machine being {pace:.2f} times as slow as then"
    return Check("latency", measured.median_ms <= _SLOWER * pace * card.measured_ms, told)
