"""The main job: table, search, verification, the winner distilled and quantized, baselines beside it, the report.

Every stage leaves a file in the run folder and is skipped when its file is there: a run that was stopped anywhere
goes on from where it was.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from edgezoo.progress import RecipeBar, stage
from edgezoo.report import write_report
from edgezoo.settings import RunError, RunSettings, claim_folder, locked
from edgezoo.verification import Verified, contenders, verify
from latency_tables import LatencyTable, build_table, get_runtime, load_table, this_device
from model_compression import DeployArtifact, ModelCard, Recipe, compress
from model_compression.distillation.teacher import Teacher, get_teacher
from model_compression.recipe.judgement import describe
from model_compression.sensitivity.measure import sensitivity_report
from model_compression.sensitivity.report import SENSITIVITY_FILE, SensitivityReport, load_sensitivity
from model_compression.sensitivity.trained import load_trained
from search import SPACES, BudgetError, Candidate, SearchResult, run_search
from zoo import ArchSpec, create_model, get_spec
from zoo.data import Splits, load_data
from zoo.files import write_atomic
from zoo.training import TrainConfig


@dataclass(frozen=True)
class Baseline:
    """A published network trained and measured as the winner was."""

    name: str
    card: ModelCard


@dataclass(frozen=True)
class RunResult:
    """What a run found; all of it also lies in the run folder."""

    settings: RunSettings
    data: Splits
    table: LatencyTable
    search: SearchResult
    verified: list[Verified]
    winner: Candidate
    artifact: DeployArtifact
    baselines: list[Baseline]
    seconds: float
    sensitivity: SensitivityReport | None = None


def run(
    settings: RunSettings,
    folder: Path,
    *,
    workers: int = 1,
    sensitivity_seconds: float = 0.0,
    console: Console | None = None,
) -> RunResult:
    """Do the main job into `folder`, or what of it is left to do.

    Args:
        sensitivity_seconds: spent at most on what each of the winner's layers can take; 0 = none. What is known of an
            earlier call is in the report all the same.

    Raises an EdgezooError in one line for bad settings, bad data, a budget that cannot be met, a folder of another run.
    """
    console = console or Console(quiet=True)
    started = time.monotonic()
    space = SPACES.get(settings.space)
    get_runtime(settings.runtime, settings.dtype)
    recipe = _recipe(settings)
    if recipe.dtype != settings.dtype:
        raise RunError(f"recipe {recipe} ships {recipe.dtype}, the run {settings.dtype}; give --dtype {recipe.dtype}")
    for name in settings.baselines:
        get_spec(name)
    data = load_data(settings.data, resolution=settings.image_size, seed=settings.seed)
    create_model(settings.teacher, data.num_classes, data.in_chans)
    with locked(folder):
        claim_folder(folder, settings)
        earlier = _spent(folder)
        table = _tables(settings, folder, data, console)
        with stage(console, f"searching space {space.name}", settings.trials) as advance:
            result = run_search(
                space,
                data,
                table,
                settings.budget_ms,
                trials=settings.trials,
                storage=folder,
                workers=workers,
                epochs=settings.epochs,
                seed=settings.seed,
                on_trial=lambda done, total, best: advance(done, f"best {best:.1%}"),
            )
        verified = _verify(settings, folder, data, result, console)
        config = TrainConfig(epochs=max(1, settings.final_epochs // 2), seed=settings.seed)
        with stage(console, f"teacher {settings.teacher}", config.epochs) as advance:
            teacher = get_teacher(
                settings.teacher,
                data,
                config,
                path=folder / "teacher.safetensors",
                on_epoch=lambda epoch: advance(epoch.number, f"loss {epoch.loss:.3f}"),
            )
        winner, artifact = _ship(settings, folder, data, table, result, verified, teacher, console)
        baselines = _baselines(settings, folder, data, table, teacher, console)
        layers = _sensitivity(settings, folder, data, artifact, sensitivity_seconds, console)
        seconds = earlier + time.monotonic() - started
        write_atomic(folder / "seconds.json", json.dumps(round(seconds, 1)))
        outcome = RunResult(settings, data, table, result, verified, winner, artifact, baselines, seconds, layers)
        write_report(outcome, folder / "report.html")
    return outcome


def _spent(folder: Path) -> float:
    try:
        return float(json.loads((folder / "seconds.json").read_bytes()))
    except (OSError, ValueError, TypeError):  # a figure for the report alone
        return 0.0


def _tables(settings: RunSettings, folder: Path, data: Splits, console: Console) -> LatencyTable:
    """Return the table of the deployed number format; one in fp32 is measured beside it for comparison."""
    dtypes = [settings.dtype] + (["fp32"] if settings.dtype != "fp32" else [])
    tables = []
    for dtype in dtypes:
        path = folder / ("table.json" if dtype == settings.dtype else f"table-{dtype}.json")
        if path.exists():
            table = load_table(path)
            different = table.device.differences(this_device(settings.runtime, dtype, settings.threads))
            if different:
                raise RunError(f"{path} was measured on another device ({'; '.join(different)}); take another --out")
            tables.append(table)
            continue
        networks = settings.table_networks if dtype == settings.dtype else max(20, settings.table_networks // 2)
        with stage(console, f"latency table, {settings.runtime} {dtype}", networks) as advance:
            table = build_table(
                SPACES.get(settings.space),
                runtime=settings.runtime,
                dtype=dtype,
                threads=settings.threads,
                networks=networks,
                in_chans=data.in_chans,
                num_classes=data.num_classes,
                seed=settings.seed,
                seconds_each=settings.table_seconds,
                progress_file=folder / f".{path.stem}.progress",
                on_network=lambda done, total: advance(done),
            )
        table.save(path)
        (folder / f".{path.stem}.progress").unlink(missing_ok=True)
        tables.append(table)
    return tables[0]


def _verify(
    settings: RunSettings, folder: Path, data: Splits, result: SearchResult, console: Console
) -> list[Verified]:
    chosen = contenders(result)
    with stage(console, "measuring the best candidates", 1) as advance:
        verified = verify(
            chosen,
            folder / "verified.json",
            runtime=settings.runtime,
            dtype=settings.dtype,
            threads=settings.threads,
            in_chans=data.in_chans,
            num_classes=data.num_classes,
        )
        advance(1)
    return verified


def _ship(
    settings: RunSettings,
    folder: Path,
    data: Splits,
    table: LatencyTable,
    result: SearchResult,
    verified: list[Verified],
    teacher: Teacher,
    console: Console,
) -> tuple[Candidate, DeployArtifact]:
    """Return the most accurate candidate that keeps the budget when measured, trained in full and exported."""
    measured = {v.trial: v.measured_ms for v in verified}
    for candidate in contenders(result):
        if measured.get(candidate.trial, float("inf")) > settings.budget_ms:
            continue
        target = folder / "candidates" / candidate.spec.digest
        title = f"winner: candidate {candidate.trial}"
        artifact = _compress(
            settings, target, data, table, candidate.spec, teacher, title, console, test_within_ms=settings.budget_ms
        )
        if artifact.measured_ms <= settings.budget_ms:
            for name in ("model.onnx", "model.json", "weights.safetensors"):
                write_atomic(folder / name, (target / name).read_bytes())
            write_atomic(folder / "spec.json", candidate.spec.to_json(indent=1))
            return candidate, DeployArtifact(folder / "model.onnx", artifact.card)
        measured[candidate.trial] = artifact.measured_ms
    fastest = min(measured.values(), default=float("nan"))
    raise BudgetError(
        f"no candidate measured within {settings.budget_ms:g} ms, the fastest of {len(measured)} took {fastest:.3f}: "
        "the table is too optimistic here or the machine is busy; take a larger budget"
    )


def _baselines(
    settings: RunSettings, folder: Path, data: Splits, table: LatencyTable, teacher: Teacher, console: Console
) -> list[Baseline]:
    baselines = []
    for name in settings.baselines:
        spec = get_spec(name).at_resolution(settings.image_size)
        title = f"baseline {name}"
        target = folder / "baselines" / name
        artifact = _compress(settings, target, data, table, spec, teacher, title, console, test_within_ms=0.0)
        baselines.append(Baseline(name, artifact.card))
    return baselines


def _sensitivity(
    settings: RunSettings, folder: Path, data: Splits, artifact: DeployArtifact, seconds: float, console: Console
) -> SensitivityReport | None:
    """Return what is known of the winner's layers, as they were before the recipe's steps."""
    path = folder / SENSITIVITY_FILE
    if not seconds:
        return load_sensitivity(path) if path.exists() else None
    _, network = load_trained(folder / "model.onnx")
    with stage(console, "what layers can take", 1) as advance:
        return sensitivity_report(
            network, data, resolution=artifact.card.spec.resolution, name="winner", runtime=settings.runtime,
            dtype=settings.dtype, threads=settings.threads, seconds=seconds, path=path,
            on_effect=lambda done, total: advance(done, "", total),
        )  # fmt: skip


def _recipe(settings: RunSettings) -> Recipe:
    return Recipe.load(settings.recipe or f"distil+{settings.dtype}")


def _compress(
    settings: RunSettings,
    target: Path,
    data: Splits,
    table: LatencyTable,
    spec: ArchSpec,
    teacher: Teacher,
    title: str,
    console: Console,
    *,
    test_within_ms: float,
) -> DeployArtifact:
    card = target / "model.json"
    if card.exists() and (target / "model.onnx").exists():
        try:
            return DeployArtifact(target / "model.onnx", ModelCard.model_validate_json(card.read_bytes()))
        except ValidationError:
            card.unlink()
    with stage(console, title, settings.final_epochs) as advance:
        bar = RecipeBar(advance)
        return compress(
            spec,
            data,
            recipe=_recipe(settings),
            runtime=settings.runtime,
            threads=settings.threads,
            folder=target,
            config=TrainConfig(epochs=settings.final_epochs, seed=settings.seed),
            teacher=teacher,
            table=table,
            test_within_ms=test_within_ms,
            on_step_begin=bar.begin,
            on_progress=bar.progress,
        )


def summary(result: RunResult) -> list[str]:
    """Return what a run found, in six lines, and one for each step of a longer recipe."""
    s, card, data, validation = result.settings, result.artifact.card, result.data, result.table.validation
    dtype, parts = card.device.dtype, (len(data.train), len(data.val), len(data.test))
    floats = f", fp32 {card.test.fp32:.1%}" if dtype != "fp32" and card.test.fp32 is not None else ""
    kinds = " > ".join(dict.fromkeys(block.kind for block in card.spec.blocks))
    return [
        f"data      {data.name}, {data.num_classes} classes: {parts[0]:,} train, {parts[1]:,} validation, "
        f"{parts[2]:,} test images",
        f"table     {s.runtime} {s.dtype}, {s.threads} thread, {len(result.table.observations)} networks measured, "
        f"error on unseen ones {validation.mape:.1%}",
        f"search    {len(result.search.candidates)} trained, {result.search.rejected} rejected unseen, space {s.space}",
        f"winner    {kinds}: {card.params:,} parameters, {card.macs / 1e6:.1f} M MACs, {card.spec.resolution} px",
        *(f"step      {describe(report)}" for report in card.steps if report.step != "quantize" or not report.kept),
        f"accuracy  test {dtype} {result.artifact.accuracy:.1%}{floats}",
        f"latency   measured {card.measured_ms:.3f} ms (p10 {card.measured_p10_ms:.3f}, "
        f"p90 {card.measured_p90_ms:.3f}), "
        f"predicted {card.predicted_ms:.3f}, budget {s.budget_ms:g} -> {result.artifact.path}",
    ]
