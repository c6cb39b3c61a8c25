import optuna
import pytest

from edgezoo.report import write_search_report
from edgezoo.report.search_figures import BaselinePoint
from search import SearchResult

_NASTY = "<script>alert(1)</script><b>x"
_ALWAYS = {
    "What was found",
    "How the search came on",
    "Learning curves",
    "Which choices matter",
    "Which choices are good",
    "The best network",
    "All trained candidates",
    "The latency table",
    "Settings",
}


@pytest.fixture
def write(tmp_path, small_space, small_table, read_page):
    def write(found, baselines=()):
        path = tmp_path / "search.html"
        write_search_report(
            found.result, path, space=small_space, table=small_table, study=found.study, baselines=baselines
        )
        return read_page(path), path.read_text()

    return write


def test_a_page_holds_all_its_sections_and_asks_for_nothing(found, write):
    page, text = write(found)
    assert set(page.headings) == _ALWAYS
    assert len(page.ids) == len(set(page.ids)) == 6
    assert all(address.startswith("data:") for address in page.requests)
    assert "@import" not in text[: text.index("</style>")] and "url(" not in text[: text.index("</style>")]
    for candidate in found.result.candidates:
        assert f"{candidate.params:,}" in page.text and f"{candidate.predicted_ms:.3f}" in page.text
    assert f"{found.result.rejected} rejected" in page.text
    assert found.result.candidates[0].spec.blocks[0].kind in page.text


def test_sections_without_content_are_absent_and_come_with_it(found, write):
    assert set(write(found.without_curves())[0].headings) == _ALWAYS - {"Learning curves"}
    result = found.result
    failed = SearchResult(result.candidates, result.budget_ms, result.rejected, {99: "TrainingDivergedError: NaN"})
    page, _ = write(type(found)(failed, found.study))
    assert set(page.headings) == _ALWAYS | {"Failures"}
    assert "TrainingDivergedError: NaN" in page.text
    bare = optuna.create_study(directions=["maximize", "minimize"])
    bare.add_trials(found.study.get_trials())
    assert set(write(type(found)(result, bare))[0].headings) == _ALWAYS - {"Settings"}


@pytest.mark.parametrize("count", [1, 2])
def test_few_candidates_have_a_sentence_in_place_of_importances(found, write, count):
    page, _ = write(found.first(count))
    assert f"Importances need at least 10 candidates that are not all alike; there are {count}." in page.text
    assert "importances" not in page.ids and "pareto" in page.ids


def test_names_are_escaped(found, write):
    result = found.result
    study = found.without_curves().study
    study.set_user_attr("settings", {"data": _NASTY, "epochs": 1})
    failed = SearchResult(result.candidates, result.budget_ms, 0, {7: _NASTY})
    # with an accuracy, without one, and out of sight
    baselines = [BaselinePoint(_NASTY, *rest) for rest in ((0.1, 0.5), (0.1,), (1e6,))]
    page, text = write(type(found)(failed, study), baselines)
    assert not any(script.startswith("alert") for script in page.scripts)
    assert "<script>alert" not in text and "<b>x" not in text
    assert page.text.count(_NASTY) == 3


def test_baselines_out_of_sight_are_told_in_words(found, write):
    slow = 100 * found.result.budget_ms
    page, _ = write(found, [BaselinePoint("near", 0.5 * found.result.budget_ms), BaselinePoint("far", slow, 0.9)])
    assert f"Far beyond the right edge: far ({slow:.3f} ms)." in page.text
