import re
from html import escape

import pytest

from edgezoo.report import write_report
from edgezoo.report.run_figures import predictions, unseen

from .conftest import NASTY_CLASSES

_SECTIONS = [
    "What was found", "How it was compressed", "Its architecture", "What each layer can take",
    "Is the latency table right?", "Where this was measured",
]  # fmt: skip


@pytest.fixture(scope="module")
def written(a_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(a_run, path)
    return path


def test_a_page_holds_its_sections_in_order_and_asks_for_nothing(written, read_page):
    page = read_page(written)
    assert page.headings == _SECTIONS
    assert page.requests == ["data:,"]
    assert page.ids == ["pareto", "architecture", "predictions"]


def test_names_from_folders_are_escaped(written, read_page):
    page, text = read_page(written), written.read_text()
    for name in NASTY_CLASSES[:3]:
        assert name in page.text and escape(name) in text
        assert name not in text
    assert "<b>mine" not in text and "<i>can" not in text
    assert not any(script.startswith("alert") for script in page.scripts)


def test_every_step_tells_its_gate_and_why_it_did_not_stay(written, read_page):
    text = read_page(written).text
    assert "Accuracy 99.0% → 96.0%: 3.0 points lost (2.0 to 4.0); the gate allows 1." in text
    assert "loses 3.0 points, more than 1" in text
    assert "kept, softened" in text and "rolled back" in text and "no layer <i>can</i> be" in text
    assert "Latency 0.2 → 0.17 ms (0.1683 to 0.1717): 0.85 times, measured in turns." in text


def test_coverage_counts_what_lies_in_the_interval(a_run, written, read_page):
    # one candidate was measured within 2 % of its prediction, the others at several times it
    points = unseen(a_run)
    inside = [p.name for p in points if p.low_ms <= p.measured_ms <= p.high_ms]
    assert f"trial {a_run.winner.trial}" in inside and len(inside) < len(points) == 3
    assert f"{len(inside)} of {len(points)} lie inside" in read_page(written).text
    *_, drawn = predictions(a_run).data
    assert [x + up for x, up in zip(drawn.x, drawn.error_x.array, strict=True)] == pytest.approx(
        [point.high_ms for point in points]
    )


def test_the_environment_names_machine_versions_and_seeds(a_run, written, read_page):
    text, device = read_page(written).text, a_run.table.device
    for expected in (device.cpu, device.governor, device.runtime_version, "2.13.0", "seed of training", "ab" * 32):
        assert expected in text
    assert re.search(r"classes\n10: ", text)


def test_without_a_table_of_layers_its_section_is_absent(a_run, tmp_path, read_page):
    import dataclasses

    write_report(dataclasses.replace(a_run, sensitivity=None), tmp_path / "page.html")
    assert read_page(tmp_path / "page.html").headings == [s for s in _SECTIONS if s != "What each layer can take"]
