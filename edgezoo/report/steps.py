"""What a recipe did to a network, step by step, with the gate of each."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_compression import ModelCard
    from model_compression.recipe import Attempt, StepReport, Verdict

_GATE = ("step", "max_drop", "max_ratio", "tries", "required")


def steps_list(card: ModelCard) -> str:
    """Return the steps of a recipe as HTML: what was tried, before and after, what the gate asked for, why not."""
    teacher = f"with {card.teacher} for a teacher" if card.teacher else "on labels"
    first = _item("good", "training", "done", [f"<p>Trained {escape(teacher)}.</p>"])
    return f'<ol class="steps">{first}{"".join(map(_step, card.steps))}</ol>'


def _step(report: StepReport) -> str:
    badge = "kept" if report.kept else "rolled back"
    if report.kept and len(report.attempts) > 1:
        badge = "kept, softened"
    lines = [_attempt(attempt, number, len(report.attempts)) for number, attempt in enumerate(report.attempts, 1)]
    return _item("good" if report.kept else "bad", report.step, badge, lines)


def _item(kind: str, title: str, badge: str, lines: list[str]) -> str:
    head = f'<h3>{escape(title)}<span class="badge">{escape(badge)}</span></h3>'
    return f'<li class="{kind}">{head}{"".join(lines)}</li>'


def _attempt(attempt: Attempt, number: int, count: int) -> str:
    settings = {n: v for n, v in attempt.settings.items() if n not in _GATE and v not in (None, False)}
    told = ", ".join(f"{name} {_plain(value)}" for name, value in settings.items())
    which = f"Try {number}: " if count > 1 else ""
    lines = [f'<p class="soft">{escape(which + told)}</p>']
    if attempt.verdict:
        lines += [f"<p>{escape(line)}</p>" for line in _verdict(attempt.verdict, attempt.settings)]
    if attempt.reason:
        lines.append(f"<p><b>Not kept:</b> {escape(attempt.reason)}.</p>")
    return "".join(lines)


def _verdict(verdict: Verdict, settings: dict[str, Any]) -> list[str]:
    drop, most = verdict.drop, settings.get("max_drop")
    allowed = "" if most is None or most >= 1 else f"; the gate allows {100 * most:g}"
    lines = [
        f"Accuracy {verdict.accuracy_before:.1%} → {verdict.accuracy_after:.1%}: {100 * drop.value:.1f} points lost "
        f"({100 * drop.low:.1f} to {100 * drop.high:.1f}){allowed}."
    ]
    if verdict.ms_before and verdict.ms_after:
        ratio = verdict.ms_after.value / verdict.ms_before.value
        lines.append(
            f"Latency {verdict.ms_before.value:.4g} → {verdict.ms_after.value:.4g} ms "
            f"({verdict.ms_after.low:.4g} to {verdict.ms_after.high:.4g}): {ratio:.2f} times, measured in turns."
        )
    return lines


def _plain(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
