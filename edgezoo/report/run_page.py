"""The page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgezoo.report.architecture import architecture_section
from edgezoo.report.html import document, grid, paragraph, picture, section, tiles
from edgezoo.report.run_figures import pareto, predictions
from zoo.files import write_atomic

if TYPE_CHECKING:
    from edgezoo.run import RunResult
    from model_compression.recipe import Verdict


def write_report(result: RunResult, path: Path) -> None:
    """Write the report of `result` as one self-contained HTML file; atomic."""
    settings, validation = result.settings, result.table.validation
    parts = [
        paragraph(
            f"{len(result.search.candidates)} networks of space {settings.space} trained, {result.search.rejected} "
            f"rejected by the latency table without training; the best one that keeps {settings.budget_ms:g} ms was "
            f"distilled, exported as {settings.dtype} and measured."
        ),
        _tiles(result),
        section(
            "What was found",
            paragraph(
                "Candidates after a short training, at their predicted latency; the winner and networks of the zoo "
                "after full training, at their measured latency."
            ),
            picture(pareto(result), "pareto"),
        ),
        section(
            "Predicted and measured latency",
            paragraph(
                f"Networks that the table never saw. On the {validation.networks} networks of its own validation the "
                f"mean error is {validation.mape:.1%}, {validation.within_10:.0%} are within 10 %, Kendall tau "
                f"{validation.kendall_tau:.2f}."
            ),
            picture(predictions(result), "predictions"),
        ),
        section("The winner beside the zoo", _comparison(result)),
        section("What was done to it", _steps(result)),
        architecture_section("Its architecture", result.artifact.card.spec, result.table),
        section("Where this was measured", _facts(result)),
    ]
    write_atomic(path, document(f"edgezoo: {result.data.name}", parts))


def _tiles(result: RunResult) -> str:
    card = result.artifact.card
    dtype = card.device.dtype
    return tiles(
        (
            (f"{result.artifact.accuracy:.1%}", f"test accuracy, {dtype}"),
            (f"{card.measured_ms:.3f} ms", f"measured, budget {result.settings.budget_ms:g} ms"),
            (f"{card.predicted_ms or 0:.3f} ms", "predicted before training"),
            (f"{card.params:,}", "parameters"),
            (f"{card.macs / 1e6:.1f} M", "multiply-adds"),
            (f"{result.seconds / 60:.1f} min", "for the whole run"),
        )
    )


def _comparison(result: RunResult) -> str:
    dtype = result.settings.dtype
    cards = [("winner", result.artifact.card), *((b.name, b.card) for b in result.baselines)]
    rows = [
        (
            name,
            f"{100 * (card.validation.of(dtype) or 0):.1f} %",
            f"{card.measured_ms:.3f}",
            f"{card.predicted_ms or 0:.3f}",
            f"{card.params:,}",
            f"{card.macs / 1e6:.1f} M",
        )
        for name, card in cards
    ]
    return grid(("network", f"validation, {dtype}", "measured ms", "predicted ms", "parameters", "MACs"), rows)


def _steps(result: RunResult) -> str:
    rows = [
        (
            report.step,
            "kept" if not attempt.reason else "tried",
            _pair(attempt.verdict and (attempt.verdict.accuracy_before, attempt.verdict.accuracy_after), "{:.1%}"),
            _pair(attempt.verdict and _medians(attempt.verdict), "{:.3f}"),
            attempt.reason,
        )
        for report in result.artifact.card.steps
        for attempt in report.attempts
    ]
    told = f"Recipe {result.artifact.card.recipe}, after a training with {result.artifact.card.teacher or 'labels'}."
    if not rows:
        return paragraph(told)
    return paragraph(told) + grid(("step", "", "accuracy before and after", "ms before and after", "why not"), rows)


def _medians(verdict: Verdict) -> tuple[float, float] | None:
    return verdict.ms_before and verdict.ms_after and (verdict.ms_before.value, verdict.ms_after.value)


def _pair(values: tuple[float, float] | None, form: str) -> str:
    return " → ".join(map(form.format, values)) if values else ""


def _facts(result: RunResult) -> str:
    card = result.artifact.card
    facts = [
        *((name, value) for name, value in card.device.model_dump().items() if name != "settings"),
        *card.device.settings.items(),
        *card.versions.items(),
        *((f"setting {name}", value) for name, value in result.settings.model_dump().items()),
    ]
    return grid(("", ""), [(name, str(value)) for name, value in facts])
