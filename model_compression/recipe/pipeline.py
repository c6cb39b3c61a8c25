"""Steps in order, each behind its gate; what was done is kept after each, and a stopped recipe goes on."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from latency_tables import get_runtime
from model_compression.errors import RecipeError
from model_compression.export.onnx import network_inputs
from model_compression.methods import method
from model_compression.recipe.judgement import Attempt, StepReport, judge
from model_compression.recipe.step import Job, Step
from model_compression.recipe.structure import CHANGES, Compressed, rebuild
from zoo.errors import EdgezooError, first_line
from zoo.files import write_atomic
from zoo.training import predict_scores
from zoo.weights.files import read_tensors, save_tensors


@method("deep-compression", "combined", paper="arXiv:1510.00149")
def run_steps(
    start: Compressed,
    steps: Sequence[Step],
    job: Job,
    *,
    provenance: str,
    number_from: int = 0,
    on_step_begin: Callable[[int, Step], None] | None = None,
    on_step: Callable[[int, StepReport], None] | None = None,
) -> tuple[Compressed, list[StepReport]]:
    """Return what `steps` make of `start`, and a report of each.

    A step that fails or breaks its gate is softened and tried again, at last rolled back: the network goes on as it was
    before. After each step the network is kept in `job.folder`/steps, and taken up there by a later call with the same
    `start`, steps before it, and `provenance`, which says of what the start was made.

    Args:
        number_from: number of the first step, for those who watch.
        on_step_begin: called with the number of a step and the step, also where it is taken up again.
        on_step: called with its number and what came of it.

    Raises RecipeError where a step that is required cannot stay.
    """
    state, reports, chain = start, [], provenance
    for number, step in enumerate(steps):
        chain = hashlib.sha256(f"{chain}\n{step.model_dump_json()}".encode()).hexdigest()
        if on_step_begin:
            on_step_begin(number_from + number, step)
        path = job.folder / "steps" / f"{number}-{step.step}.safetensors"
        known = _load(path, state, job, chain)
        if known:
            state, report = known
        else:
            state, report = _attempt(state, step, job)
            if step.required and not report.kept:  # not kept, so that a later call tries again
                raise RecipeError(f"step {step.step} cannot be carried out: {report.attempts[-1].reason}")
            _save(path, state, report, chain)
        reports.append(report)
        if on_step:
            on_step(number_from + number, report)
    return state, reports


def _attempt(before: Compressed, step: Step, job: Job) -> tuple[Compressed, StepReport]:
    was_right, attempts, trying = rightly_classified(before, job), [], step
    for number in range(step.tries):
        if number:
            job.note("softer tries")(number, step.tries - 1)
        settings = trying.model_dump(mode="json")
        try:
            after = trying.apply(before, job)
            job.note("networks compared")(0, 2)
            timed = job.stopwatch.compare(before, after, job.shape(before)) if step.max_ratio else None
            right = rightly_classified(after, job)
        except EdgezooError as error:
            attempts.append(Attempt(settings=settings, error=first_line(error)))
        else:
            verdict = judge(was_right, right, timed, max_drop=trying.max_drop, max_ratio=step.max_ratio or 1.0)
            attempts.append(Attempt(settings=settings, verdict=verdict))
            if verdict.passed:
                return after, StepReport(step=step.step, attempts=tuple(attempts))
        softer = trying.softened()
        if softer is None:
            break
        trying = softer
    return before, StepReport(step=step.step, attempts=tuple(attempts))


def rightly_classified(state: Compressed, job: Job) -> Tensor:
    """Return whether each validation image is classified rightly, bool (N,), by the file where there is one."""
    images, resolution = job.data.val, state.spec.resolution
    if state.file is None:
        return predict_scores(state.network, images, job.data, resolution).argmax(1) == images.labels
    session = get_runtime(job.runtime, state.dtype).load(state.file, None, dtype=state.dtype, threads=1)
    scores = session.predict(network_inputs(images, job.data, resolution))
    return Tensor(scores).argmax(1) == images.labels


def _save(path: Path, state: Compressed, report: StepReport, chain: str) -> None:
    if state.file is not None and report.kept:
        write_atomic(path.with_suffix(".onnx"), state.file.read_bytes())
    metadata = {
        "chain": chain,
        "changes": CHANGES.dump_json(state.changes).decode(),
        "report": report.model_dump_json(),
        "file": hashlib.sha256(state.file.read_bytes()).hexdigest() if state.file else "",
    }
    save_tensors(path, state.network.state_dict(), metadata)


def _load(path: Path, before: Compressed, job: Job, chain: str) -> tuple[Compressed, StepReport] | None:
    """Return what an equal step left at `path`; None where there is no such, or it is damaged."""
    if not path.exists():
        return None
    try:
        tensors, metadata = read_tensors(path)
        if metadata.get("chain") != chain:
            return None
        report = StepReport.model_validate_json(metadata["report"])
        changes = CHANGES.validate_json(metadata["changes"])
        network = rebuild(
            before.spec, changes, tensors,
            num_classes=job.data.num_classes, in_chans=job.data.in_chans, source=str(path),
        )  # fmt: skip
        file = before.file
        if metadata["file"] and report.kept and before.file is None:
            file = path.with_suffix(".onnx")
            if hashlib.sha256(file.read_bytes()).hexdigest() != metadata["file"]:
                return None
    except (EdgezooError, ValidationError, KeyError, OSError):
        return None
    return Compressed(before.spec, network, changes, file), report
