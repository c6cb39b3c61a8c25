"""The deployable file and the card that says what it is."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from latency_tables import Device
from model_compression.quantization.lint import Finding
from model_compression.recipe.judgement import StepReport
from model_compression.recipe.structure import Change
from zoo import ArchSpec
from zoo.files import write_atomic


class Accuracies(BaseModel):
    """Shares of images classified rightly, 0..1, before and after quantization; None where not evaluated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fp32: float | None = None
    int8: float | None = None

    def of(self, dtype: str) -> float | None:
        """Return the accuracy in `dtype`."""
        return self.int8 if dtype == "int8" else self.fp32


class InputFormat(BaseModel):
    """What the file expects: float32 (1, channels, resolution, resolution), (pixel / 255 - mean) / std."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class ModelCard(BaseModel):
    """All that is known of a shipped network.

    Attributes:
        spec: of the network as it was trained; `changes` were made to its deployed form.
        image_size: pixels at which the images of `data` were read.
        changes: that pruning and factorization made to it, in order.
        steps: of the recipe after the training, with their gates.
        in_float: what the runtime computes in float of an int8 file all the same.
        predicted_ms: by the latency table; None where there was none.
        measured_ms: median latency on `device`, p10 and p90 beside it.
        reference_ms: of the reference network meanwhile: the pace of the machine.
        versions: of the packages that made it.
        sha256: of the model file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: ArchSpec
    data: str
    image_size: int | None = None
    classes: tuple[str, ...]
    input: InputFormat
    recipe: str
    changes: tuple[Change, ...] = ()
    steps: tuple[StepReport, ...] = ()
    in_float: tuple[Finding, ...] = ()
    teacher: str | None
    validation: Accuracies
    test: Accuracies
    params: int
    macs: int
    predicted_ms: float | None
    measured_ms: float
    measured_p10_ms: float
    measured_p90_ms: float
    samples_rejected: int
    reference_ms: float | None = None
    device: Device
    versions: dict[str, str]
    seeds: dict[str, int]
    created: str
    sha256: str


@dataclass(frozen=True)
class DeployArtifact:
    """A model file that a runtime executes, with its card beside it as JSON.

    Attributes:
        accuracy: of the file on the test images, 0..1.
        measured_ms: median latency of the file on this machine.
    """

    path: Path
    card: ModelCard

    @property
    def accuracy(self) -> float:
        value = self.card.test.of(self.card.device.dtype)
        return float("nan") if value is None else value

    @property
    def measured_ms(self) -> float:
        return self.card.measured_ms

    def save_card(self) -> None:
        """Write the card as `model.json` beside `model.onnx`; atomic."""
        write_atomic(self.path.with_suffix(".json"), self.card.model_dump_json(indent=1))
