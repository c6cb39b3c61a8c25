"""The page of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgezoo.report.architecture import architecture_section
from edgezoo.report.choices import FEWEST, choices_figure, choices_of, importances, varying
from edgezoo.report.html import document, folded, grid, paragraph, picture, section, tiles
from edgezoo.report.progress import progress_of
from edgezoo.report.search_figures import (
    BaselinePoint,
    importances_figure,
    learning_curves,
    pareto,
    progress,
    within_sight,
)
from zoo.files import write_atomic
from zoo.summary import notation

if TYPE_CHECKING:
    import optuna

    from latency_tables import LatencyTable
    from search import SearchResult
    from search.spaces.base import SearchSpace

_MOST_CHOICES = 8  # axes that stay legible beside each other


def write_search_report(
    result: SearchResult,
    path: Path,
    *,
    space: SearchSpace,
    table: LatencyTable,
    study: optuna.Study,
    baselines: Sequence[BaselinePoint] = (),
) -> None:
    """Write what a search found as one self-contained HTML file; atomic.

    Args:
        study: of the search; learning curves are shown where its trials carry an attribute `curve`, the accuracies
            after each epoch.
        baselines: published networks to draw beside the candidates.
    """
    best, device = result.best, table.device
    parts = [
        paragraph(
            f"{len(result.candidates)} networks of space {space.name} trained, {result.stopped} stopped early, "
            f"{result.rejected} rejected without training, {len(result.failed)} failed; a budget of "
            f"{result.budget_ms:g} ms on {device.runtime} {device.dtype}."
        ),
        _tiles(result, table, study),
        section(
            "What was found",
            paragraph(f"The best: {notation(best.spec)}."),
            picture(pareto(result, baselines, what=f"{device.runtime} {device.dtype}"), "pareto"),
            _out_of_sight(result, baselines),
        ),
        section(
            "How the search came on",
            paragraph(
                "Hypervolume: the share of all accuracies and all latencies within the budget that the front reaches."
            ),
            picture(progress(progress_of(result)), "progress"),
        ),
        _curves(result, study),
        _choices(result, study, space),
        architecture_section("The best network", best.spec, table),
        section("All trained candidates", _candidates(result)),
        _failures(result),
        section("The latency table", paragraph(_validity(table)), folded("Its device", _device(table))),
        _settings(study),
    ]
    write_atomic(path, document(f"Search in space {space.name}", parts))


def _tiles(result: SearchResult, latencies: LatencyTable, study: optuna.Study) -> str:
    best, estimate = result.best, latencies.predict_any(result.best.spec)
    seconds = sum(trial.user_attrs.get("seconds", 0.0) for trial in study.get_trials(deepcopy=False))
    return tiles(
        (
            (f"{best.accuracy:.1%}", "validation accuracy of the best"),
            (f"{best.predicted_ms:.3f} ms", f"predicted, nine in ten {estimate.low_ms:.3f} to {estimate.high_ms:.3f}"),
            (f"{best.params:,}", "parameters"),
            (f"{best.macs / 1e6:.1f} M", "multiply-adds"),
            (str(len(result.pareto_front)), "networks on the front"),
            (f"{seconds / 60:.1f} min", "of training"),
        )
    )


def _out_of_sight(result: SearchResult, baselines: Sequence[BaselinePoint]) -> str:
    shown = within_sight(result, baselines)
    beyond = [f"{b.name} ({b.predicted_ms:.3f} ms)" for b in baselines if b not in shown]
    return paragraph(f"Far beyond the right edge: {', '.join(beyond)}.") if beyond else ""


def _curves(result: SearchResult, study: optuna.Study) -> str:
    trials = study.get_trials(deepcopy=False)
    curves = {trial.number: trial.user_attrs["curve"] for trial in trials if trial.user_attrs.get("curve")}
    if not curves:
        return ""
    return section("Learning curves", picture(learning_curves(curves, result.best.trial), "curves"))


def _choices(result: SearchResult, study: optuna.Study, space: SearchSpace) -> str:
    choices, shares = choices_of(result, study), importances(result, study)
    if shares:
        what = "How much each choice matters for being among the most accurate candidates, and among the fastest."
        importance = paragraph(what) + picture(importances_figure(shares), "importances")
    else:
        importance = paragraph(
            f"Importances need at least {FEWEST} candidates that are not all alike; there are {len(choices)}."
        )
    parts = section("Which choices matter", importance)
    names = list(shares) or varying(choices)
    drawn = {name: _values(name, choices, space) for name in varying(choices) if name in names[:_MOST_CHOICES]}
    if drawn:
        what = "One line a candidate, the more accurate the darker: a click on the legend hides a group."
        figure = choices_figure(result.candidates, choices, drawn)
        parts += section("Which choices are good", paragraph(what), picture(figure, "choices", wide=True))
    return parts


def _values(name: str, choices: Sequence[Mapping[str, Any]], space: SearchSpace) -> list[Any]:
    """Return the values of a choice that candidates have, in the order of the space."""
    order = list(space.parameters().get(name, ()))
    values = {chosen[name] for chosen in choices if name in chosen}
    known = sorted((value for value in values if value in order), key=order.index)
    return known + sorted(values.difference(known), key=str)


def _candidates(result: SearchResult) -> str:
    rows = [
        (
            str(c.trial),
            notation(c.spec),
            f"{100 * c.accuracy:.2f}",
            f"{c.predicted_ms:.3f}",
            f"{c.params:,}",
            f"{c.macs / 1e6:.2f}",
        )
        for c in result.by_accuracy()
    ]
    return grid(("trial", "network", "accuracy %", "predicted ms", "parameters", "MACs M"), rows, left=(0, 1))


def _failures(result: SearchResult) -> str:
    if not result.failed:
        return ""
    rows = [(str(trial), reason) for trial, reason in result.failed.items()]
    return section("Failures", grid(("trial", "reason"), rows, left=(0, 1)))


def _validity(latencies: LatencyTable) -> str:
    found = latencies.validation
    return (
        f"{len(latencies.observations)} networks measured on {latencies.created[:10]}. On {found.networks} networks "
        f"left out of its fit the mean error is {found.mape:.1%}, the largest {found.worst:.1%}, "
        f"{found.within_10:.0%} are within 10 %, Kendall tau {found.kendall_tau:.2f}; a measurement itself is known to "
        f"{found.repeatability:.1%}."
    )


def _device(latencies: LatencyTable) -> str:
    device = latencies.device.model_dump()
    facts = {name: value for name, value in device.items() if name != "settings"} | latencies.device.settings
    return grid(("", ""), [(name, str(value)) for name, value in facts.items()])


def _settings(study: optuna.Study) -> str:
    """Return the settings of the search that fit on a line; its space and its table are told elsewhere."""
    settings = study.user_attrs.get("settings", {})
    rows = [(name, str(value)) for name, value in settings.items() if not isinstance(value, (dict, list))]
    return section("Settings", grid(("", ""), rows)) if rows else ""
