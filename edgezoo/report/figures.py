"""The pictures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

if TYPE_CHECKING:
    from edgezoo.run import RunResult

_BLUE, _GREY, _RED, _GREEN, _INK = "#2f6fde", "#9aa5b1", "#d1495b", "#2a9d5c", "#1f2933"


def _layout(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "color": _INK, "size": 13},
        margin={"l": 60, "r": 20, "t": 20, "b": 110},
        height=460,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
        xaxis={"title": x, "rangemode": "tozero"},
        yaxis={"title": y},
    )
    return figure


def pareto(result: RunResult) -> go.Figure:
    """Accuracy over latency: all candidates, the front, the winner and the baselines."""
    found, card = result.search, result.artifact.card
    figure = go.Figure()
    figure.add_scatter(
        x=[c.predicted_ms for c in found.candidates],
        y=[100 * c.accuracy for c in found.candidates],
        text=[f"trial {c.trial}: {c.params:,} parameters" for c in found.candidates],
        mode="markers",
        name=f"candidates, {result.settings.epochs} epochs, predicted ms",
        marker={"color": _GREY, "size": 8},
    )
    front = found.pareto_front
    figure.add_scatter(
        x=[c.predicted_ms for c in front],
        y=[100 * c.accuracy for c in front],
        mode="lines+markers",
        name="their front",
        line={"color": _BLUE, "shape": "hv"},
    )
    dtype = result.settings.dtype
    figure.add_scatter(
        x=[b.card.measured_ms for b in result.baselines],
        y=[100 * (b.card.validation.of(dtype) or 0) for b in result.baselines],
        text=[b.name for b in result.baselines],
        mode="markers+text",
        textposition="bottom center",
        name=f"zoo, {result.settings.final_epochs} epochs, measured ms",
        marker={"color": _RED, "size": 11, "symbol": "square"},
    )
    figure.add_scatter(
        x=[card.measured_ms],
        y=[100 * (card.validation.of(dtype) or 0)],
        text=["winner"],
        mode="markers+text",
        textposition="top center",
        name=f"winner, {result.settings.final_epochs} epochs, measured ms",
        marker={"color": _GREEN, "size": 16, "symbol": "star"},
    )
    figure.add_vline(x=result.settings.budget_ms, line={"color": _INK, "dash": "dot"}, annotation_text="budget")
    return _layout(figure, f"latency, ms ({result.settings.runtime} {dtype})", "validation accuracy, %")


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
            line={"color": _GREY, "dash": "dash"},
            name=f"{name} end of the winner's interval (90 %)",
        )
    figure.add_scatter(x=[0, highest], y=[0, highest], mode="lines", line={"color": _INK}, name="equal")
    figure.add_scatter(
        x=[p for p, _, _ in seen],
        y=[m for _, m, _ in seen],
        text=[name for _, _, name in seen],
        mode="markers",
        name="networks",
        marker={"color": _BLUE, "size": 9},
    )
    return _layout(figure, "predicted, ms", "measured, ms")
