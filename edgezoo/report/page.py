"""The page around the pictures: no outside requests, names escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from edgezoo.report.figures import pareto, predictions
from zoo.files import write_atomic

if TYPE_CHECKING:
    from edgezoo.run import RunResult

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 980px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6rem; margin: 8px 0; } h2 { font-size: 1.15rem; margin: 32px 0 4px; }
p { margin: 4px 0 12px; } .lead { font-size: 1.1rem; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.tile { flex: 1 1 150px; border: 1px solid #d9e2ec; border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 1.5rem; } .tile span { color: #52606d; font-size: .85rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid #e4e7eb; }
th:first-child, td:first-child { text-align: left; }
"""


def write_report(result: RunResult, path: Path) -> None:
    """Write the report of `result` as one self-contained HTML file; atomic."""
    card, settings = result.artifact.card, result.settings
    sections = [
        f"<h1>edgezoo: {escape(result.data.name)}</h1>",
        f"<p class=lead>{len(result.search.candidates)} networks of space <i>{escape(settings.space)}</i> trained, "
        f"{result.search.rejected} rejected by the latency table without training; the best one that keeps "
        f"{settings.budget_ms:g} ms was distilled, exported as {settings.dtype} and measured.</p>",
        _tiles(result),
        "<h2>What was found</h2>",
        "<p>Candidates after a short training, at their predicted latency; the winner and networks of the zoo after "
        "full training, at their measured latency.</p>",
        _figure(pareto(result), "pareto"),
        "<h2>Predicted and measured latency</h2>",
        f"<p>Networks that the table never saw. On the {result.table.validation.networks} networks of its own "
        f"validation the mean error is {result.table.validation.mape:.1%}, "
        f"{result.table.validation.within_10:.0%} are within 10 %, Kendall tau "
        f"{result.table.validation.kendall_tau:.2f}.</p>",
        _figure(predictions(result), "predictions"),
        "<h2>The winner beside the zoo</h2>",
        _comparison(result),
        "<h2>Its architecture</h2>",
        _architecture(result),
        "<h2>Where this was measured</h2>",
        _rows(
            ("", ""),
            [
                *((k, str(v)) for k, v in card.device.model_dump().items() if k != "settings"),
                *card.device.settings.items(),
                *card.versions.items(),
                *((f"setting {name}", str(value)) for name, value in settings.model_dump().items()),
            ],
        ),
    ]
    write_atomic(path, _document(f"edgezoo: {result.data.name}", "\n".join(sections)))


def _document(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        '<link rel=icon href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>{body}</body></html>"
    )


def _figure(figure: go.Figure, name: str) -> str:
    return figure.to_html(include_plotlyjs=False, full_html=False, div_id=name, config={"responsive": True})


def _tiles(result: RunResult) -> str:
    card, dtype = result.artifact.card, result.settings.dtype
    tiles = [
        (f"{result.artifact.accuracy:.1%}", f"test accuracy, {dtype}"),
        (f"{card.measured_ms:.3f} ms", f"measured, budget {result.settings.budget_ms:g} ms"),
        (f"{card.predicted_ms or 0:.3f} ms", "predicted before training"),
        (f"{card.params:,}", "parameters"),
        (f"{card.macs / 1e6:.1f} M", "multiply-adds"),
        (f"{result.seconds / 60:.1f} min", "for the whole run"),
    ]
    inside = "".join(f"<div class=tile><b>{value}</b><span>{what}</span></div>" for value, what in tiles)
    return f"<div class=tiles>{inside}</div>"


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
    header = ("network", f"validation, {dtype}", "measured ms", "predicted ms", "parameters", "MACs")
    return _rows(header, rows)


def _architecture(result: RunResult) -> str:
    spec = result.artifact.card.spec
    rows = [
        (
            f"{index} {block.kind}",
            " x ".join(map(str, shape)),
            str(block.stride),
            ", ".join(f"{name} {value}" for name, value in block.options),
        )
        for index, (block, shape) in enumerate(zip(spec.blocks, spec.shapes, strict=True))
    ]
    return _rows(("block", "output", "stride", "options"), rows)


def _rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"
