"""The pictures of a search."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from edgezoo.report.progress import Progress
from edgezoo.report.style import BLUE, GREEN, GREY, INK, RED, layout
from search import Candidate, SearchResult
from zoo.summary import notation

_NAMED_TICKS = 6  # more names than that would lie on top of each other
_FARTHEST = 3  # a baseline beyond so many times the candidates' range would squeeze them into a corner
_MOST_IMPORTANT = 12


class BaselinePoint(NamedTuple):
    """A published network beside the candidates.

    Attributes:
        accuracy: 0..1; None where it was not trained on these images.
    """

    name: str
    predicted_ms: float
    accuracy: float | None = None


def hover(candidate: Candidate) -> str:
    """Return what is told of a candidate under the pointer."""
    return f"trial {candidate.trial}, {candidate.params:,} parameters<br>{escape(notation(candidate.spec))}"


def candidates_and_front(result: SearchResult, *, name: str = "candidates") -> go.Figure:
    """Accuracy over predicted latency: all candidates, their front as steps, and the budget."""
    figure, front = go.Figure(), result.pareto_front
    figure.add_scatter(
        x=[c.predicted_ms for c in result.candidates],
        y=[100 * c.accuracy for c in result.candidates],
        text=[hover(c) for c in result.candidates],
        mode="markers",
        name=name,
        marker={"color": GREY, "size": 8},
    )
    figure.add_scatter(
        x=[*(c.predicted_ms for c in front), result.budget_ms],
        y=[*(100 * c.accuracy for c in front), 100 * front[-1].accuracy],
        text=[*map(hover, front), ""],
        mode="lines+markers",
        name="their front",
        line={"color": BLUE, "shape": "hv"},
        marker={"size": [8] * len(front) + [0]},  # the line goes on to the budget
    )
    budget = {"annotation_text": "budget", "annotation_position": "top left"}
    figure.add_vline(x=result.budget_ms, line={"color": INK, "dash": "dot"}, **budget)
    return layout(figure, "latency, ms", "validation accuracy, %").update_xaxes(rangemode="tozero")


def within_sight(result: SearchResult, baselines: Sequence[BaselinePoint]) -> list[BaselinePoint]:
    """Return the baselines that are not so slow that they would squeeze the candidates into a corner."""
    slowest = max(result.budget_ms, *(c.predicted_ms for c in result.candidates))
    return [b for b in baselines if b.predicted_ms <= _FARTHEST * slowest]


def pareto(result: SearchResult, baselines: Sequence[BaselinePoint], *, what: str) -> go.Figure:
    """The front and baselines beside it: squares, or ticks on the latency axis where their accuracy is not known.

    `what` is the runtime and number format of the latencies.
    """
    figure, best = candidates_and_front(result), result.best
    figure.add_scatter(
        x=[best.predicted_ms],
        y=[100 * best.accuracy],
        text=[hover(best)],
        mode="markers",
        name="best",
        marker={"color": GREEN, "size": 16, "symbol": "star"},
    )
    shown = within_sight(result, baselines)
    trained, untrained = [b for b in shown if b.accuracy is not None], [b for b in shown if b.accuracy is None]
    if trained:
        figure.add_scatter(
            x=[b.predicted_ms for b in trained],
            y=[100 * (b.accuracy or 0) for b in trained],
            text=[escape(b.name) for b in trained],
            mode="markers+text",
            textposition="bottom center",
            name="zoo",
            marker={"color": RED, "size": 11, "symbol": "square"},
        )
    if untrained:
        # an axis of its own, from 0 at the foot of the picture to 1 at its top
        figure.add_scatter(
            x=[b.predicted_ms for b in untrained],
            y=[0.02] * len(untrained),
            yaxis="y2",
            text=[escape(b.name) for b in untrained],
            mode="markers+text" if len(untrained) <= _NAMED_TICKS else "markers",
            textposition="top center",
            hovertemplate="%{text}: %{x:.3f} ms<extra></extra>",
            name="zoo, not trained",
            marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": RED}},
        )
        figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})
    return figure.update_xaxes(title=f"predicted latency, ms ({what})")


def progress(steps: Sequence[Progress]) -> go.Figure:
    """Best accuracy and hypervolume after each candidate."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.6, 0.4])
    trials = [step.trial for step in steps]
    for row, (values, style) in enumerate(
        (
            ([step.accuracy for step in steps], {"name": "candidate", "mode": "markers", "marker": {"color": GREY}}),
            ([step.best for step in steps], {"name": "best so far", "mode": "lines", "line": {"color": BLUE}}),
            ([step.hypervolume for step in steps], {"name": "hypervolume", "mode": "lines", "line": {"color": GREEN}}),
        )
    ):
        figure.add_scatter(x=trials, y=[100 * v for v in values], row=1 + row // 2, col=1, **style)
    figure.update_traces(line_shape="hv", selector={"mode": "lines"})
    layout(figure, "", "accuracy, %").update_yaxes(title="hypervolume, %", row=2, col=1)
    return figure.update_xaxes(title="trial", row=2, col=1)


def learning_curves(curves: Mapping[int, Sequence[float]], best: int) -> go.Figure:
    """Accuracy after each epoch: one line a trial, that of the trial `best` in colour."""
    figure = go.Figure()
    x, y, text = list[Any](), list[Any](), list[str]()
    for trial, curve in curves.items():
        x += [*range(1, len(curve) + 1), None]  # None lifts the pen
        y += [*(100 * value for value in curve), None]
        text += [f"trial {trial}"] * (len(curve) + 1)
    style = {"mode": "lines+markers", "marker": {"size": 4}}
    figure.add_scatter(
        x=x, y=y, text=text, name="trials", opacity=0.5, line={"color": GREY, "width": 1}, connectgaps=False, **style
    )
    if best in curves:
        values = [100 * value for value in curves[best]]
        figure.add_scatter(
            x=list(range(1, len(values) + 1)), y=values, name="best", line={"color": GREEN, "width": 3}, **style
        )
    layout(figure, "epoch", "validation accuracy, %")
    return figure.update_xaxes(dtick=1 if max(map(len, curves.values())) <= 20 else None)


def importances_figure(importances: Mapping[str, tuple[float, float]]) -> go.Figure:
    """Shares of each choice in being accurate and in being fast, beside each other."""
    names = sorted(importances, key=lambda name: -max(importances[name]))[:_MOST_IMPORTANT]
    figure = go.Figure()
    for index, (goal, color) in enumerate((("accuracy", BLUE), ("latency", RED))):
        figure.add_bar(
            x=[100 * importances[name][index] for name in names],
            y=[escape(name) for name in names],
            orientation="h",
            name=f"for {goal}",
            marker={"color": color},
            hovertemplate="%{y}: %{x:.0f} %<extra></extra>",
        )
    layout(figure, "share, %", "", height=170 + 34 * len(names))
    return figure.update_yaxes(autorange="reversed", automargin=True)
