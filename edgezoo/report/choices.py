"""The choices behind the candidates: how much each matters, and which of them make good networks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, create_trial

from edgezoo.report.style import GREEN, INK, layout
from search import Candidate, SearchResult

FEWEST = 10  # candidates; fewer say nothing about a dozen choices
_WELL_FOUNDED = 10  # good candidates that importances stand on; the evaluator's documentation asks for 5
_LARGEST_SHARE = 0.5
_BLUES = ("#d3deee", "#a9c3ea", "#6f9fe0", "#2f6fde", "#123a8c")
_SPREAD = 0.7  # of the room of a value, over which the lines through it lie beside each other


def choices_of(result: SearchResult, study: optuna.Study) -> list[dict[str, Any]]:
    """Return the choices behind each candidate by name, in order of the candidates."""
    return [dict(trial.params) for trial in _trials_of(result, study)]


def importances(result: SearchResult, study: optuna.Study) -> dict[str, tuple[float, float]]:
    """Return how much each choice matters for being among the most accurate, and for being among the fastest.

    Shares that add up to 1 for each of the two (PED-ANOVA, arXiv:2304.10255), the most important for accuracy first;
    nothing where fewer than `FEWEST` candidates, or candidates that are all alike, cannot tell.
    """
    trials = _trials_of(result, study)
    if len(trials) < FEWEST:
        return {}
    accuracy = _shares(result.candidates, trials, lambda candidate: -candidate.accuracy)
    latency = _shares(result.candidates, trials, lambda candidate: candidate.predicted_ms)
    names = sorted({*accuracy, *latency}, key=lambda name: (-accuracy.get(name, 0.0), -latency.get(name, 0.0), name))
    return {name: (accuracy.get(name, 0.0), latency.get(name, 0.0)) for name in names}


def varying(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the choices that were not the same everywhere."""
    names = dict.fromkeys(name for chosen in choices for name in chosen)
    return [name for name in names if len({chosen.get(name) for chosen in choices}) > 1]


def choices_figure(
    candidates: Sequence[Candidate], choices: Sequence[Mapping[str, Any]], orders: Mapping[str, Sequence[Any]]
) -> go.Figure:
    """One line a candidate through its choices, to its accuracy; the more accurate the darker, the best in green.

    `orders` are the choices to draw, each with its values from bottom to top. Lines through the same value lie beside
    each other in order of their accuracy.
    """
    ranked = sorted(zip(candidates, choices, strict=True), key=lambda pair: (pair[0].accuracy, -pair[0].predicted_ms))
    last, names = max(len(ranked) - 1, 1), list(orders)
    lines = []
    for rank, (candidate, chosen) in enumerate(ranked):
        heights = [_height(orders[name], chosen.get(name), rank / last) for name in names]
        lines.append((candidate, [*heights, rank / last]))
    figure, fifths = go.Figure(), len(_BLUES)
    for index, color in enumerate(_BLUES):
        group = lines[len(lines) * index // fifths : len(lines) * (index + 1) // fifths]
        if group:
            low, high = (100 * candidate.accuracy for candidate in (group[0][0], group[-1][0]))
            _add_lines(figure, group, name=f"{low:.1f} to {high:.1f} %", color=color, width=1.5)
    _add_lines(figure, lines[-1:], name=f"best, {100 * lines[-1][0].accuracy:.1f} %", color=GREEN, width=3.0)
    marks = [
        (index, (place + 0.5) / len(orders[name]), str(value))
        for index, name in enumerate(names)
        for place, value in enumerate(orders[name])
    ]
    marks += [(len(names), end, f"{100 * ranked[-end][0].accuracy:.1f} %") for end in (0, 1)]
    for x, y, text in marks:
        label = {"showarrow": False, "bgcolor": "rgba(255,255,255,.8)", "font": {"size": 12}}
        figure.add_annotation(x=x, y=y, text=escape(text), **label)
    layout(figure, "", "", height=520).update_layout(legend={"y": -0.02})
    figure.update_yaxes(visible=False, range=[-0.04, 1.04])
    axes = [escape(name) for name in (*names, "accuracy")]
    return figure.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=axes,
        range=[-0.4, len(names) + 0.4],
        tickfont={"size": 12},
        gridcolor=INK,
        side="top",
        automargin=True,
    )


def _trials_of(result: SearchResult, study: optuna.Study) -> list[FrozenTrial]:
    by_number = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    return [by_number[candidate.trial] for candidate in result.candidates]


def _shares(
    candidates: Sequence[Candidate], trials: Sequence[FrozenTrial], loss: Callable[[Candidate], float]
) -> dict[str, float]:
    """Return the share of each choice that varies in making `loss` small; nothing where none of them does."""
    names = varying([trial.params for trial in trials])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    alone = optuna.create_study()
    alone.add_trials(
        create_trial(params=trial.params, distributions=trial.distributions, value=loss(candidate))
        for candidate, trial in zip(candidates, trials, strict=True)
    )
    share = min(_LARGEST_SHARE, max(0.1, _WELL_FOUNDED / len(trials)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of choices that only few candidates had
        evaluator = PedAnovaImportanceEvaluator(target_quantile=share)
        found = get_param_importances(alone, evaluator=evaluator, params=names, normalize=False)
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total > 0 else {}


def _height(values: Sequence[Any], value: Any, rank: float) -> float | None:
    """Return where a line crosses the axis of a choice, 0..1; None for a candidate without this choice."""
    if value not in values:
        return None
    return (list(values).index(value) + 0.5 + _SPREAD * (rank - 0.5)) / len(values)


def _add_lines(
    figure: go.Figure, lines: Sequence[tuple[Candidate, list[float | None]]], *, name: str, color: str, width: float
) -> None:
    x, y, text = list[Any](), list[Any](), list[str]()
    for candidate, heights in lines:
        x += [*range(len(heights)), None]  # None lifts the pen
        y += [*heights, None]
        text += [f"trial {candidate.trial}: {100 * candidate.accuracy:.1f} %"] * (len(heights) + 1)
    figure.add_scatter(
        x=x, y=y, text=text, mode="lines", name=name, line={"color": color, "width": width}, hoverinfo="text"
    )
