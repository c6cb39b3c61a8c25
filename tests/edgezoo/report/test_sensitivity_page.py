import pytest

from edgezoo.report.sensitivity_page import sensitivity_section, write_sensitivity_report
from model_compression.sensitivity.report import Action, Effect, LayerFacts

_INT8, _PRUNE = Action(kind="int8", level=8), Action(kind="prune", level=0.5)


@pytest.fixture
def report(a_run):
    layers = tuple(LayerFacts(name=name, what="conv 3x3, 8 to 8", params=9) for name in ("a", "b<i>"))
    effects = (
        Effect(layer="a", action=_INT8, divergence=0.0005, accuracy_drop=-0.0001, ms_saved=-0.02),
        Effect(layer="a", action=_PRUNE, divergence=2.0, accuracy_drop=0.5, ms_saved=0.3, others=("b<i>",)),
        Effect(layer="b<i>", action=_INT8, divergence=0.05, accuracy_drop=0.004, ms_saved=0.01),
    )
    given = {"layers": layers, "effects": effects, "planned": 4, "left_out": ("<b>no</b>",)}
    return a_run.sensitivity.model_copy(update=given)


def test_a_cell_tells_damage_and_time_and_is_darker_the_more_damage(report):
    html = sensitivity_section(report)
    assert '<td class="heat-0" title="KL 0.0005 nats"><b>0.0</b><span>\N{MINUS SIGN}0.0200 ms</span></td>' in html
    told = "KL 2 nats, together with b&lt;i&gt;"
    assert f'<td class="heat-4" title="{told}"><b>50.0</b><span>0.3000 ms</span></td>' in html
    assert html.count('class="none"') == 1  # b was not pruned
    assert "3 of about 4 cells are known" in html and "Left out: &lt;b&gt;no&lt;/b&gt;." in html


def test_bargains_are_listed_without_what_costs_too_much(report, tmp_path, read_page):
    path = tmp_path / "page.html"
    write_sensitivity_report(report, path)
    page = read_page(path)
    rows = page.text[page.text.index("What saves most") :]
    assert "0.0100" in rows and "0.3000" not in rows
    assert page.requests[0] == "data:," and "b<i>" in page.text and "b<i>" not in path.read_text()


def test_a_whole_report_says_nothing_of_missing_cells(report):
    html = sensitivity_section(report.model_copy(update={"planned": 3, "left_out": ()}))
    assert "cells are known" not in html and "Left out" not in html
