"""The pictures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from edgezoo.report.search_figures import candidates_and_front
from edgezoo.report.style import BLUE, GREEN, GREY, INK, RED, layout

if TYPE_CHECKING:
    from edgezoo.run import RunResult


def pareto(result: RunResult) -> go.Figure:
    """Accuracy over latency: all candidates, the front, the winner and the baselines."""
    card, settings = result.artifact.card, result.settings
    figure = candidates_and_front(result.search, name=f"candidates, {settings.epochs} epochs, predicted ms")
    dtype = settings.dtype
    figure.add_scatter(
        x=[b.card.measured_ms for b in result.baselines],
        y=[100 * (b.card.validation.of(dtype) or 0) for b in result.baselines],
        text=[b.name for b in result.baselines],
        mode="markers+text",
        textposition="bottom center",
        name=f"zoo, {settings.final_epochs} epochs, measured ms",
        marker={"color": RED, "size": 11, "symbol": "square"},
    )
    figure.add_scatter(
        x=[card.measured_ms],
        y=[100 * (card.validation.of(dtype) or 0)],
        text=["winner"],
        mode="markers+text",
        textposition="top center",
        name=f"winner, {settings.final_epochs} epochs, measured ms",
        marker={"color": GREEN, "size": 16, "symbol": "star"},
    )
    return layout(figure, f"latency, ms ({settings.runtime} {dtype})", "validation accuracy, %")


def predictions(result: RunResult) -> go.Figure:
    """Measured over predicted latency of networks that the table never saw."""
    seen = [(v.predicted_ms, v.measured_ms, f"trial {v.trial}") for v in result.verified]
    seen += [(b.card.predicted_ms, b.card.measured_ms, b.name) for b in result.baselines]
    highest = 1.1 * max(max(p or 0, m) for p, m, _ in seen)
    figure = go.Figure()
    typical = result.table.predict_any(result.winner.spec)
    for ratio, name in ((typical.low_ms / typical.ms, "lower"), (typical.high_ms / typical.ms, "upper")):
        figure.add_scatter(
            x=[0, highest],
            y=[0, highest * ratio],
            mode="lines",
            line={"color": GREY, "dash": "dash"},
            name=f"{name} end of the winner's interval (90 %)",
        )
    figure.add_scatter(x=[0, highest], y=[0, highest], mode="lines", line={"color": INK}, name="equal")
    figure.add_scatter(
        x=[p for p, _, _ in seen],
        y=[m for _, m, _ in seen],
        text=[name for _, _, name in seen],
        mode="markers",
        name="networks",
        marker={"color": BLUE, "size": 9},
    )
    return layout(figure, "predicted, ms", "measured, ms").update_xaxes(rangemode="tozero")
