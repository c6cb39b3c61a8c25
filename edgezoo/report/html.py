"""What every page is made of: no outside requests, all text escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from plotly.offline import get_plotlyjs

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STYLE = """
:root { color-scheme: light; --ink: #1f2933; --soft: #52606d; --line: #d9e2ec; --wash: #f5f7fa; --blue: #1f5fc4; }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); max-width: 1080px; margin: 0 auto;
  padding: 16px 20px 64px; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 12px 0 8px; }
h2 { font-size: 1.25rem; margin: 48px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0; }
h1, h2, h3, p, li, td, dd, summary { overflow-wrap: anywhere; }
p { margin: 4px 0 12px; max-width: 75ch; } summary { cursor: pointer; margin: 8px 0; padding: 4px 0; }
a { color: var(--blue); }
nav { display: flex; flex-wrap: wrap; gap: 0 18px; margin: 8px 0 12px; }
nav a { text-decoration: none; padding: 6px 0; } nav a:hover { text-decoration: underline; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 12px; margin: 20px 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; background: var(--wash); }
.tile b { display: block; font-size: 1.45rem; line-height: 1.3; } .tile span { color: var(--soft); font-size: .9rem; }
.scroll { overflow: auto; max-height: 640px; margin: 8px 0; } .wide { overflow-x: auto; }
.wide > div { min-width: 900px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; vertical-align: top; padding: 5px 10px; border-bottom: 1px solid var(--line); }
td { min-width: 4.5em; } td:not(.left) { white-space: nowrap; }
th { position: sticky; top: 0; background: #fff; color: var(--soft); font-weight: 600; z-index: 1; }
.left { text-align: left; } td.left { min-width: 110px; overflow-wrap: break-word; }
.steps { list-style: none; padding: 0; margin: 16px 0; }
.steps li { border-left: 4px solid var(--line); padding: 2px 0 2px 14px; margin: 0 0 18px; }
.steps li.good { border-color: #2a9d5c; } .steps li.bad { border-color: #d1495b; }
.steps p { margin: 2px 0; } .steps p.soft { color: var(--soft); font-size: .9rem; }
.steps p + p.soft { margin-top: 12px; }
.badge { font-weight: 600; font-size: .85rem; border-radius: 10px; padding: 1px 9px; margin-left: 8px; color: #fff;
  background: var(--soft); white-space: nowrap; }
.good .badge { background: #1c7a45; } .bad .badge { background: #b02a3d; }
dl { display: grid; grid-template-columns: minmax(110px, max-content) 1fr; gap: 2px 18px; font-size: .9rem;
  margin: 8px 0; }
dt { color: var(--soft); } dd { margin: 0; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px 40px; }
.heat td { border: 1px solid #fff; text-align: center; min-width: 88px; padding: 5px 4px; white-space: nowrap; }
.heat th { text-align: center; }
.heat th:first-child { left: 0; z-index: 2; text-align: left; }
.heat td:first-child { position: sticky; left: 0; background: #fff; text-align: left; min-width: 122px;
  max-width: 200px; white-space: normal; overflow-wrap: normal; border-color: var(--line); border-width: 0 1px 1px 0; }
.heat td b { display: block; font-weight: 600; } .heat td span { font-size: .85rem; }
.heat td:first-child span { color: var(--soft); }
.heat-0 { background: #eef6f0; } .heat-1 { background: #fdf6dc; } .heat-2 { background: #fde3b8; }
.heat-3 { background: #fbc59a; } .heat-4 { background: #f5a088; } .none { color: var(--soft); background: var(--wash); }
.key { display: flex; flex-wrap: wrap; gap: 6px 14px; margin: 8px 0; padding: 0; list-style: none; font-size: .9rem; }
.key i { display: inline-block; width: 1.1em; height: 1.1em; border: 1px solid var(--line); margin-right: 6px;
  vertical-align: -.2em; }
@media (pointer: coarse) { .modebar { display: none !important; } }
.js-plotly-plot .nsewdrag { touch-action: pan-y pinch-zoom !important; }
@media (max-width: 600px) { body { padding: 8px 14px 48px; } h1 { font-size: 1.4rem; } th, td { padding: 5px 7px; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 8px; } .tile b { font-size: 1.25rem; } }
@media print { nav { display: none; } .scroll { max-height: none; } section { break-inside: avoid; } }
"""

# a finger that drags over a picture scrolls the page; a tap tells what is there
_TOUCH = """
if (matchMedia("(pointer: coarse)").matches)
  for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, {dragmode: false});
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page of `parts`, which are HTML already; the sections among them are listed at its head."""
    body = list(parts)
    links = [link for part in body for link in re.findall(r'<section id="([^"]+)"><h2>(.*?)</h2>', part)]
    nav = "".join(f'<a href="#{anchor}">{heading}</a>' for anchor, heading in links)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><h1>{escape(title)}</h1><nav>{nav}</nav>{''.join(body)}"
        f"<script>{_TOUCH}</script></body></html>"
    )


def section(title: str, *parts: str) -> str:
    """Return a section of `parts`, which are HTML already."""
    anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


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


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and what belongs to each."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in pairs)}</dl>"


def columns(*parts: tuple[str, str]) -> str:
    """Return parts beside each other where there is room: a heading and HTML each."""
    return f'<div class="columns">{"".join(f"<div><h3>{escape(head)}</h3>{html}</div>" for head, html in parts)}</div>'


def folded(title: str, *parts: str) -> str:
    """Return `parts` folded away under a title."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def _row(tag: str, cells: Sequence[str], left: Sequence[int]) -> str:
    aligned = ((' class="left"' if index in left else "", cell) for index, cell in enumerate(cells))
    return "<tr>" + "".join(f"<{tag}{side}>{escape(cell)}</{tag}>" for side, cell in aligned) + "</tr>"
