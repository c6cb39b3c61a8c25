"""From a spec to a measured file: training, with or without a teacher, then quantization, export, measurement."""

import hashlib
import importlib.metadata
import json
import math
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from latency_tables import LatencyTable, get_runtime, measure, this_device
from model_compression.distillation.teacher import (
    DEFAULT_LOSS,
    DEFAULT_TEACHER,
    Teacher,
    distillation_loss,
    get_teacher,
)
from model_compression.export.artifact import Accuracies, DeployArtifact, InputFormat, ModelCard
from model_compression.export.onnx import evaluate_session, export_network
from model_compression.recipe import Recipe
from model_compression.weights import load_weights, save_weights
from zoo import ArchSpec, Network, complexity, deploy
from zoo.data import Splits, load_data
from zoo.data.splits import ImageSet
from zoo.training import Epoch, TrainConfig, accuracy, train

_PACKAGES = ("edgezoo", "torch", "timm", "optuna", "onnx", "onnxruntime")


class HasSpec(Protocol):
    """A scored candidate of a search, or anything else with a spec."""

    @property
    def spec(self) -> ArchSpec:
        """The network."""
        ...


def compress(
    net: ArchSpec | HasSpec,
    data: str | Splits,
    *,
    recipe: str = "distil+int8",
    runtime: str = "onnxruntime",
    threads: int = 1,
    folder: str | Path = "compressed",
    config: TrainConfig | None = None,
    teacher: str | Teacher = DEFAULT_TEACHER,
    table: LatencyTable | None = None,
    test_within_ms: float = math.inf,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> DeployArtifact:
    """Train, quantize, export and measure one network; `model.onnx` and `model.json` land in `folder`.

    Args:
        net: a spec, or a candidate of a search.
        teacher: a zoo or `timm/` name, trained on `data` first, or one already trained.
        table: whose prediction is written into the card beside the measurement.
        test_within_ms: a network measured slower is not tried on the test images; its card then holds validation
            figures only. 0 leaves the test images alone.

    Weights of an equal earlier training in `folder` are used again. Raises RecipeError, DataError,
    RuntimeUnavailableError, MeasurementError or TrainingDivergedError, each in one line.
    """
    spec = net if isinstance(net, ArchSpec) else net.spec
    steps = Recipe.parse(recipe)
    data = load_data(data) if isinstance(data, str) else data
    backend = get_runtime(runtime, steps.dtype)
    device = this_device(runtime, steps.dtype, threads)
    folder, config = Path(folder), config or TrainConfig(epochs=30)
    if steps.training == "train":
        teacher = ""
    weights = folder / "weights.safetensors"
    network = deploy(train_network(spec, data, config, teacher=teacher, path=weights, on_epoch=on_epoch))
    path = folder / "model.onnx"
    export_network(network, data, spec.resolution, steps.dtype, folder).replace(path)
    measured = measure(path, runtime=runtime, dtype=steps.dtype, threads=threads)
    session = backend.load(path, None, dtype=steps.dtype, threads=threads)

    def evaluate(images: ImageSet) -> Accuracies:
        shipped = evaluate_session(session, images, data, spec.resolution)
        if steps.dtype == "fp32":
            return Accuracies(fp32=shipped)
        return Accuracies(fp32=accuracy(network, images, data, spec.resolution), int8=shipped)

    count = complexity(network, (data.in_chans, spec.resolution, spec.resolution))
    mean, std = data.statistics()
    card = ModelCard(
        spec=spec,
        data=data.name,
        classes=data.classes,
        input=InputFormat(channels=data.in_chans, resolution=spec.resolution, mean=mean, std=std),
        recipe=str(steps),
        teacher=_name_of(teacher),
        validation=evaluate(data.val),
        test=evaluate(data.test) if measured.median_ms <= test_within_ms else Accuracies(),
        params=count.params,
        macs=count.macs,
        predicted_ms=table.predict(spec).ms if table else None,
        measured_ms=measured.median_ms,
        measured_p10_ms=measured.p10_ms,
        measured_p90_ms=measured.p90_ms,
        samples_rejected=measured.rejected,
        device=device,
        versions={"python": platform.python_version(), **_versions()},
        seeds={"training": config.seed},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    artifact = DeployArtifact(path, card)
    artifact.save_card()
    return artifact


def train_network(
    spec: ArchSpec,
    data: Splits,
    config: TrainConfig,
    *,
    teacher: str | Teacher,
    path: Path,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Network:
    """Return the network of `spec` trained on `data`, from `path` if an equal training left its weights there.

    `teacher` is a name, trained first and kept beside `path`, a trained one, or "" for training on labels alone.
    """
    network = spec.build(data.num_classes, data.in_chans, seed=config.seed)
    name = _name_of(teacher)
    provenance = {
        "spec": spec.to_json(),
        "data": data.name,
        "teacher": name or "",
        "loss": DEFAULT_LOSS if name else "",
        "config": json.dumps(vars(config)),
    }
    if load_weights(network, path, provenance):
        return network.eval()
    loss = None
    if name:
        if not isinstance(teacher, Teacher):
            teacher = get_teacher(name, data, config, path=path.with_name("teacher.safetensors"))
        loss = distillation_loss(teacher, DEFAULT_LOSS)
    train(network, data, config, resolution=spec.resolution, loss=loss, on_epoch=on_epoch)
    save_weights(network, path, provenance)
    return network


def _name_of(teacher: str | Teacher) -> str | None:
    return teacher.name if isinstance(teacher, Teacher) else teacher or None


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
