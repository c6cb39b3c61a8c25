"""What every page is made of: no outside requests, all text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from plotly.offline import get_plotlyjs

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1100px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6rem; margin: 8px 0; } h2 { font-size: 1.15rem; margin: 32px 0 4px; }
h1, h2, p, td, summary { overflow-wrap: break-word; }
p { margin: 4px 0 12px; } summary { cursor: pointer; margin: 8px 0; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.tile { flex: 1 1 150px; border: 1px solid #d9e2ec; border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 1.5rem; } .tile span { color: #52606d; font-size: .85rem; }
.scroll { overflow: auto; max-height: 640px; } .wide { overflow-x: auto; } .wide > div { min-width: 900px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; vertical-align: top; padding: 4px 10px; border-bottom: 1px solid #e4e7eb; }
th { position: sticky; top: 0; background: #fff; }
.left { text-align: left; } td.left { min-width: 110px; }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page of `parts`, which are HTML already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><h1>{escape(title)}</h1>{''.join(parts)}</body></html>"
    )


def section(title: str, *parts: str) -> str:
    """Return a section of `parts`, which are HTML already."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str) -> str:
    """Return one paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def picture(figure: go.Figure, name: str, *, wide: bool = False) -> str:
    """Return a figure as HTML; one that is `wide` scrolls sideways on a small screen."""
    config = {"responsive": True, "displaylogo": False}
    html = figure.to_html(include_plotlyjs=False, full_html=False, div_id=name, config=config)
    return f'<div class="wide">{html}</div>' if wide else html


def tiles(facts: Iterable[tuple[str, str]]) -> str:
    """Return figures in large print, each with what it is."""
    inside = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in facts
    )
    return f'<div class="tiles">{inside}</div>'


def grid(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[int] = (0,)) -> str:
    """Return a table; the columns of the indices `left` are aligned there, the others to the right."""
    head = _row("th", header, left) if any(header) else ""
    body = "".join(_row("td", row, left) for row in rows)
    return f'<div class="scroll"><table>{head}{body}</table></div>'


def folded(title: str, *parts: str) -> str:
    """Return `parts` folded away under a title."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def _row(tag: str, cells: Sequence[str], left: Sequence[int]) -> str:
    aligned = ((' class="left"' if index in left else "", cell) for index, cell in enumerate(cells))
    return "<tr>" + "".join(f"<{tag}{side}>{escape(cell)}</{tag}>" for side, cell in aligned) + "</tr>"
