"""What a network's layers can take: a table of layers by actions, the darker a cell the more damage."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from edgezoo.report.environment import device_facts
from edgezoo.report.html import document, facts, grid, paragraph, section, tiles
from zoo.files import write_atomic

if TYPE_CHECKING:
    from model_compression.sensitivity.report import Effect, SensitivityReport

_LIMITS = (0.001, 0.01, 0.1, 1.0)  # nats, between the colours
_WORDS = ("below 0.001 nats", "to 0.01", "to 0.1", "to 1", "more")
_MOST_BARGAINS = 8


def write_sensitivity_report(report: SensitivityReport, path: Path) -> None:
    """Write the page of `report` as one self-contained HTML file; atomic."""
    worst = report.most_sensitive()[0]
    parts = [
        tiles(
            (
                (f"{report.accuracy:.1%}", f"of {report.images} validation images"),
                (f"{report.ms:.4g} ms", f"{report.device.runtime} {report.device.dtype}"),
                (str(len(report.layers)), "layers"),
                (worst, "most sensitive"),
            )
        ),
        sensitivity_section(report),
        section("Where this was measured", facts(device_facts(report.device))),
    ]
    write_atomic(path, document(f"{report.network}, {report.data}: what each layer can take", parts))


def sensitivity_section(report: SensitivityReport, *, title: str = "What each layer can take") -> str:
    """Return the section of a page that shows the damage and the milliseconds saved, layers by actions."""
    device = report.device
    what = (
        "One layer at a time is compressed, all others stay as they were. In a cell: how many points of the "
        f"{report.accuracy:.1%} accuracy are lost on {report.images} images held out, and the milliseconds saved of "
        f"{report.ms:.4g} ({device.runtime} {device.dtype}, {device.threads} thread). The colour is the divergence of "
        "the scores (KL), which shows damage before any image is classified otherwise:"
    )
    key = "".join(f'<li><i class="heat-{i}"></i>{word}</li>' for i, word in enumerate(_WORDS))
    return section(
        title,
        paragraph(what),
        f'<ul class="key">{key}</ul>',
        _table(report),
        paragraph(
            "int8 is the layer as it ships, and saves what the runtime's profile tells. Weights or activations alone "
            "tell which of them it suffers from; no runtime computes so. prune takes that share of the channels out, "
            "with all layers that share them; rank is the share of the full rank that stays. Nothing was trained "
            "afterwards. Empty cells: it cannot be done, or makes the layer no smaller."
        ),
        _unfinished(report),
        _bargains(report),
    )


def _table(report: SensitivityReport) -> str:
    head = "<th>layer</th>" + "".join(f"<th>{escape(action.label)}</th>" for action in report.actions)
    rows = []
    for layer in report.layers:
        name = f"<td>{escape(layer.name).replace('.', '.<wbr>')}<br><span>{escape(layer.what)}</span></td>"
        cells = (_cell(report.effect(layer.name, action)) for action in report.actions)
        rows.append(f"<tr>{name}{''.join(cells)}</tr>")
    return f'<div class="scroll"><table class="heat"><tr>{head}</tr>{"".join(rows)}</table></div>'


def _cell(effect: Effect | None) -> str:
    if effect is None:
        return '<td class="none"></td>'
    heat = sum(effect.divergence > limit for limit in _LIMITS)
    told = f"KL {effect.divergence:.2g} nats"
    if effect.others:
        told += f", together with {', '.join(effect.others)}"
    saved = "" if effect.ms_saved is None else f"<span>{_signed(effect.ms_saved, 4)} ms</span>"
    points = _signed(round(100 * effect.accuracy_drop, 1) + 0.0, 1)  # of -0.0 it makes 0.0
    return f'<td class="heat-{heat}" title="{escape(told)}"><b>{points}</b>{saved}</td>'


def _signed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value >= 0 else f"\N{MINUS SIGN}{-value:.{digits}f}"


def _unfinished(report: SensitivityReport) -> str:
    told = [*(f"Left out: {reason}." for reason in report.left_out)]
    if not report.complete:
        told.append(f"{len(report.effects)} of about {report.planned} cells are known; the same command goes on.")
    return paragraph(" ".join(told)) if told else ""


def bargain_rows(report: SensitivityReport, most: int) -> list[tuple[str, ...]]:
    """Return the best `most` bargains as text: layer, action, ms saved, points lost, KL."""
    return [
        (e.layer, e.action.label, f"{e.ms_saved:.4f}", f"{100 * e.accuracy_drop:.1f}", f"{e.divergence:.2g}")
        for e in report.bargains()[:most]
        if e.ms_saved is not None
    ]


def _bargains(report: SensitivityReport) -> str:
    rows = bargain_rows(report, _MOST_BARGAINS)
    if not rows:
        return paragraph("No action saves time for a point of accuracy or less.")
    told = paragraph("What saves most for a point of accuracy or less; savings do not quite add up:")
    return told + grid(("layer", "action", "ms saved", "points lost", "KL, nats"), rows, left=(0, 1))
