import subprocess
import sys

import plotly.graph_objects as go

from edgezoo.report.html import document, folded, grid, paragraph, picture, section, tiles

_NASTY = "</script><b>&amp;"


def test_a_page_of_everything_is_well_formed_and_escaped(tmp_path, read_page):
    path = tmp_path / "page.html"
    parts = [
        paragraph(_NASTY),
        tiles([(_NASTY, _NASTY)]),
        folded(_NASTY, grid((_NASTY, "b"), [(_NASTY, "1")], left=(1,))),
        section(_NASTY, picture(go.Figure(go.Scatter(x=[1], y=[2], text=[_NASTY])), "one", wide=True)),
    ]
    path.write_text(document(_NASTY, parts))
    page = read_page(path)
    assert page.headings == [_NASTY]
    assert page.text.count(_NASTY) == 9
    assert page.ids == ["one"] and page.requests == ["data:,"]


def test_a_header_without_words_is_no_row():
    assert "<th" not in grid(("", ""), [("a", "b")]) and "<th" in grid(("x", ""), [])


def test_the_command_line_starts_without_pictures():
    code = """if True:
        import sys, edgezoo.cli, edgezoo.report, edgezoo.report.export
        print([name for name in ("plotly", "optuna", "pandas") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
