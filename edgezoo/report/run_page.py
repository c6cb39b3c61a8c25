"""The page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgezoo.report.architecture import architecture_section
from edgezoo.report.environment import environment
from edgezoo.report.html import document, facts, grid, paragraph, picture, section, tiles
from edgezoo.report.run_figures import pareto, predictions, unseen
from edgezoo.report.sensitivity_page import sensitivity_section
from edgezoo.report.steps import steps_list
from zoo.files import write_atomic

if TYPE_CHECKING:
    from edgezoo.run import RunResult


def write_report(result: RunResult, path: Path) -> None:
    """Write the report of `result` as one self-contained HTML file; atomic."""
    settings, card = result.settings, result.artifact.card
    kinds = " > ".join(dict.fromkeys(block.kind for block in card.spec.blocks))
    parts = [
        paragraph(
            f"{len(result.search.candidates)} networks of space {settings.space} trained, {result.search.rejected} "
            f"rejected by the latency table without training. The best one that keeps {settings.budget_ms:g} ms, "
            f"{kinds} at {card.spec.resolution} px, was trained in full, compressed, exported as {card.device.dtype} "
            "and measured."
        ),
        _tiles(result),
        section(
            "What was found",
            paragraph(
                "Candidates after a short training, at their predicted latency; the winner and networks of the zoo "
                "after full training, at their measured latency."
            ),
            picture(pareto(result), "pareto"),
            _comparison(result),
        ),
        section("How it was compressed", paragraph(f"Recipe: {card.recipe}."), steps_list(card)),
        architecture_section(
            "Its architecture before compression" if card.changes else "Its architecture", card.spec, result.table
        ),
        *([sensitivity_section(result.sensitivity)] if result.sensitivity else []),
        section(
            "Is the latency table right?",
            paragraph(_coverage(result)),
            picture(predictions(result), "predictions"),
            paragraph("How the table predicts networks left out of its fit:"),
            _validation(result),
        ),
        section("Where this was measured", environment(card, settings)),
    ]
    write_atomic(
        path, document(f"{result.data.name}: {result.artifact.accuracy:.1%} in {card.measured_ms:.3f} ms", parts)
    )


def _tiles(result: RunResult) -> str:
    card = result.artifact.card
    dtype = card.device.dtype
    return tiles(
        (
            (f"{result.artifact.accuracy:.1%}", f"test accuracy, {dtype}"),
            (f"{card.measured_ms:.3f} ms", f"measured, budget {result.settings.budget_ms:g} ms"),
            (f"{card.predicted_ms or 0:.3f} ms", f"predicted before training, {result.settings.dtype}"),
            (f"{card.params:,}", "parameters"),
            (f"{card.macs / 1e6:.1f} M", "multiply-adds"),
            (f"{result.seconds / 60:.1f} min", "for the whole run"),
        )
    )


def _comparison(result: RunResult) -> str:
    cards = [("winner", result.artifact.card), *((b.name, b.card) for b in result.baselines)]
    rows = [
        (
            name,
            f"{100 * (card.validation.of(card.device.dtype) or 0):.1f} % {card.device.dtype}",
            f"{card.measured_ms:.3f}",
            f"{card.predicted_ms or 0:.3f}",
            f"{card.params:,}",
            f"{card.macs / 1e6:.1f} M",
        )
        for name, card in cards
    ]
    return grid(("network", "validation", "measured ms", "predicted ms", "parameters", "MACs"), rows)


def _coverage(result: RunResult) -> str:
    points = unseen(result)
    inside = sum(point.low_ms <= point.measured_ms <= point.high_ms for point in points)
    return (
        f"Networks that the table never saw, measured beside its predictions: {inside} of {len(points)} lie inside the "
        "interval that nine in ten should lie in."
    )


def _validation(result: RunResult) -> str:
    table, v = result.table, result.table.validation
    rejected = sum(o.rejected for o in table.observations)
    samples = rejected + sum(o.samples for o in table.observations)
    rows = [
        ("networks measured", f"{len(table.observations)}"),
        ("of them for this validation", f"{v.networks}"),
        ("mean error", f"{v.mape:.1%}"),
        ("largest error", f"{v.worst:.1%}"),
        ("within 5 %", f"{v.within_5:.0%}"),
        ("within 10 %", f"{v.within_10:.0%}"),
        ("order alike (Kendall tau)", f"{v.kendall_tau:.2f}"),
        ("a measurement itself is known to", f"{v.repeatability:.1%}"),
        ("samples rejected as disturbed", f"{rejected:,} of {samples:,}"),
    ]
    return facts(rows)
