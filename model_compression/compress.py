"""From a spec to a measured file: training, with or without a teacher, the steps of a recipe, export, measurement."""

import hashlib
import importlib.metadata
import json
import math
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from torch import nn

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
from model_compression.methods import method
from model_compression.quantization.lint import float_layers
from model_compression.recipe import Job, Recipe, Step, StepReport
from model_compression.recipe.pipeline import run_steps
from model_compression.recipe.steps.train import Distil, Train
from model_compression.recipe.stopwatch import MeasuredLatency
from model_compression.recipe.structure import Compressed, rebuild
from model_compression.weights import load_weights, save_weights
from zoo import ArchSpec, Network, complexity, deploy
from zoo.data import Splits, load_data
from zoo.data.splits import ImageSet
from zoo.files import write_atomic
from zoo.training import Epoch, TrainConfig, accuracy, train
from zoo.weights.files import read_tensors, save_tensors

_FLOAT_WEIGHTS = "float.safetensors"
_PACKAGES = ("edgezoo", "torch", "timm", "optuna", "onnx", "onnxruntime")


class HasSpec(Protocol):
    """A scored candidate of a search, or anything else with a spec."""

    @property
    def spec(self) -> ArchSpec:
        """The network."""
        ...


@method("search-distillation", "combined", paper="the survey, section 8; arXiv:1911.13053")
def compress(
    net: ArchSpec | HasSpec,
    data: str | Splits,
    *,
    recipe: str | Path | Recipe = "distil+int8",
    runtime: str = "onnxruntime",
    threads: int = 1,
    folder: str | Path = "compressed",
    config: TrainConfig | None = None,
    teacher: str | Teacher = DEFAULT_TEACHER,
    table: LatencyTable | None = None,
    test_within_ms: float = math.inf,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step_begin: Callable[[int, Step], None] | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
    on_step: Callable[[int, StepReport], None] | None = None,
) -> DeployArtifact:
    """Train one network, follow a recipe, export and measure it; `model.onnx` and `model.json` land in `folder`.

    Args:
        net: a spec, or a candidate of a search.
        recipe: a name of RECIPES, steps joined by +, a JSON or YAML file, or a Recipe. Steps after the training are
            kept where they keep their gate, else rolled back; the card says what came of each.
        teacher: a zoo or `timm/` name, trained on `data` first, or one already trained.
        table: whose prediction is written into the card beside the measurement.
        test_within_ms: a network measured slower is not tried on the test images; its card then holds validation
            figures only. 0 leaves the test images alone.
        on_step_begin: called with the number of a step, from 0, and the step.
        on_progress: called with what it does just now ("widths measured"), how much of it is done, and of how much.
        on_step: called with the number of a step after the training and what came of it.

    What an equal earlier call left in `folder` is used again, step by step. Raises RecipeError, DataError,
    RuntimeUnavailableError, MeasurementError or TrainingDivergedError, each in one line.
    """
    spec = net if isinstance(net, ArchSpec) else net.spec
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    first, *later = recipe.steps
    assert isinstance(first, Train)
    data = load_data(data) if isinstance(data, str) else data
    get_runtime(runtime, recipe.dtype)
    folder, config = Path(folder), config or TrainConfig(epochs=30)
    stopwatch = MeasuredLatency(runtime, recipe.dtype, threads)
    job = Job(data, runtime, recipe.dtype, config, teacher, folder, stopwatch, on_epoch, on_progress)
    loss = first.loss if isinstance(first, Distil) else ""
    weights, training = folder / "weights.safetensors", first.config(job)
    if on_step_begin:
        on_step_begin(0, first)
    trained = train_network(
        spec, data, training, teacher=teacher if loss else "", loss=loss, path=weights,
        on_epoch=job.epochs(training.epochs), on_teacher_epoch=job.epochs(training.epochs, "teacher's "),
    )  # fmt: skip
    made_of = f"{hashlib.sha256(weights.read_bytes()).hexdigest()} {data.name} {runtime} {recipe.dtype} {threads}"
    start = Compressed(spec.deployed(), deploy(trained).eval())
    state, reports = run_steps(
        start, later, job, provenance=made_of, number_from=1, on_step_begin=on_step_begin, on_step=on_step
    )
    network, dtype = state.network, state.dtype
    save_tensors(folder / _FLOAT_WEIGHTS, network.state_dict(), {})
    path = folder / "model.onnx"
    if state.file:
        write_atomic(path, state.file.read_bytes())
    else:
        export_network(network, data, spec.resolution, dtype, folder).replace(path)
    device = this_device(runtime, dtype, threads)
    measured = measure(path, runtime=runtime, dtype=dtype, threads=threads)
    session = get_runtime(runtime, dtype).load(path, None, dtype=dtype, threads=threads)

    def evaluate(images: ImageSet) -> Accuracies:
        shipped = evaluate_session(session, images, data, spec.resolution)
        if dtype == "fp32":
            return Accuracies(fp32=shipped)
        return Accuracies(fp32=accuracy(network, images, data, spec.resolution), int8=shipped)

    count = complexity(network, (data.in_chans, spec.resolution, spec.resolution))
    mean, std = data.statistics()
    card = ModelCard(
        spec=spec,
        changes=state.changes,
        steps=tuple(reports),
        in_float=tuple(float_layers(path, runtime=runtime, threads=threads)) if dtype == "int8" else (),
        data=data.name,
        image_size=data.resolution,
        classes=data.classes,
        input=InputFormat(channels=data.in_chans, resolution=spec.resolution, mean=mean, std=std),
        recipe=str(recipe),
        teacher=_name_of(teacher if loss else ""),
        validation=evaluate(data.val),
        test=evaluate(data.test) if measured.median_ms <= test_within_ms else Accuracies(),
        params=count.params,
        macs=count.macs,
        predicted_ms=table.predict(spec).ms if table else None,
        measured_ms=measured.median_ms,
        measured_p10_ms=measured.p10_ms,
        measured_p90_ms=measured.p90_ms,
        samples_rejected=measured.rejected,
        reference_ms=measured.reference_ms,
        device=device,
        versions={"python": platform.python_version(), **_versions()},
        seeds={"training": config.seed},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    artifact = DeployArtifact(path, card)
    artifact.save_card()
    return artifact


def float_network(artifact: DeployArtifact) -> nn.Module:
    """Return the network of an artifact of `compress` as it was before quantization, in evaluation mode.

    Raises WeightsError where its folder no longer holds the weights.
    """
    card, path = artifact.card, artifact.path.with_name(_FLOAT_WEIGHTS)
    return rebuild(
        card.spec.deployed(), card.changes, read_tensors(path)[0],
        num_classes=len(card.classes), in_chans=card.input.channels, source=str(path),
    )  # fmt: skip


def train_network(
    spec: ArchSpec,
    data: Splits,
    config: TrainConfig,
    *,
    teacher: str | Teacher,
    path: Path,
    loss: str = DEFAULT_LOSS,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_teacher_epoch: Callable[[Epoch], None] | None = None,
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
        "loss": loss if name else "",
        "config": json.dumps(vars(config)),
    }
    if load_weights(network, path, provenance):
        return network.eval()
    taught = None
    if name:
        if not isinstance(teacher, Teacher):
            taught_at = path.with_name("teacher.safetensors")
            teacher = get_teacher(name, data, config, path=taught_at, on_epoch=on_teacher_epoch)
        taught = distillation_loss(teacher, loss)
    train(network, data, config, resolution=spec.resolution, loss=taught, on_epoch=on_epoch)
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
