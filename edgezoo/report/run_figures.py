"""The pictures of a run."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go

from edgezoo.report.search_figures import candidates_and_front
from edgezoo.report.style import BLUE, GREEN, GREY, INK, RED, layout

if TYPE_CHECKING:
    from edgezoo.run import RunResult


def pareto(result: RunResult) -> go.Figure:
    """Accuracy over latency: all candidates, the front, the winner and the baselines."""
    card, settings = result.artifact.card, result.settings
    # names lie towards the middle of the picture, where they are not cut off
    middle = max(settings.budget_ms, *(c.predicted_ms for c in result.search.candidates)) / 2
    figure = candidates_and_front(result.search, name=f"candidates, {_epochs(settings.epochs)}, predicted ms")
    figure.add_scatter(
        x=[b.card.measured_ms for b in result.baselines],
        y=[100 * (b.card.validation.of(b.card.device.dtype) or 0) for b in result.baselines],
        text=[escape(b.name) for b in result.baselines],
        mode="markers+text",
        textposition=["middle right" if b.card.measured_ms < middle else "middle left" for b in result.baselines],
        name=f"zoo, {_epochs(settings.final_epochs)}, measured ms",
        marker={"color": RED, "size": 11, "symbol": "square"},
    )
    figure.add_scatter(
        x=[card.measured_ms],
        y=[100 * (card.validation.of(card.device.dtype) or 0)],
        text=["winner"],
        mode="markers+text",
        textposition="top center",
        name=f"winner, {_epochs(settings.final_epochs)}, measured ms",
        marker={"color": GREEN, "size": 16, "symbol": "star"},
    )
    return layout(figure, f"latency, ms ({settings.runtime} {settings.dtype})", "validation accuracy, %")


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


class Unseen(NamedTuple):
    """A network that the table never saw: predicted with the interval that nine in ten lie in, and measured."""

    name: str
    ms: float
    low_ms: float
    high_ms: float
    measured_ms: float


def unseen(result: RunResult) -> list[Unseen]:
    """Return the search's best candidates, and published networks that shipped as they were built."""
    specs = {candidate.trial: candidate.spec for candidate in result.search.candidates}
    known = [(f"trial {v.trial}", specs[v.trial], v.measured_ms) for v in result.verified if v.trial in specs]
    known += [
        (b.name, b.card.spec, b.card.measured_ms)
        for b in result.baselines
        if not b.card.changes and b.card.device.dtype == result.table.device.dtype
    ]
    found = []
    for name, spec, measured in known:
        estimate = result.table.predict_any(spec)
        found.append(Unseen(name, estimate.ms, estimate.low_ms, estimate.high_ms, measured))
    return found


def predictions(result: RunResult) -> go.Figure:
    """Measured over predicted latency of networks that the table never saw, with the interval of each prediction."""
    points = unseen(result)
    highest = 1.08 * max([0.0, *(value for p in points for value in (p.high_ms, p.measured_ms))])
    figure = go.Figure()
    figure.add_scatter(
        x=[0, highest], y=[0, highest], mode="lines", line={"color": INK, "width": 1, "dash": "dot"}, name="equal"
    )
    figure.add_scatter(
        x=[p.ms for p in points],
        y=[p.measured_ms for p in points],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [p.high_ms - p.ms for p in points],
            "arrayminus": [p.ms - p.low_ms for p in points],
            "color": GREY,
            "thickness": 1.5,
        },
        text=[escape(p.name) for p in points],
        hovertemplate="%{text}: predicted %{x:.3f} ms, measured %{y:.3f}<extra></extra>",
        mode="markers",
        name="networks, with the interval of nine in ten",
        marker={"color": BLUE, "size": 9},
    )
    return layout(figure, "predicted, ms", "measured, ms").update_xaxes(rangemode="tozero")
