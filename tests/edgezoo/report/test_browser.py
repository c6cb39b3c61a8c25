"""The pages in a real browser, on a phone and on a desk. Skipped where there is no Chromium or no playwright."""

import shutil
from pathlib import Path

import pytest

from edgezoo.report import write_report, write_search_report, write_sensitivity_report

_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_SMALLEST = 12  # pixels of print
_CONTRAST = 4.5  # WCAG 2.1, 1.4.3

pytestmark = pytest.mark.skipif(not _CHROMIUM, reason="no Chromium or Chrome here")

# text of the page and of its pictures, with its size and its contrast to what lies behind it
_TEXTS = """() => {
  const number = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = number(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] > 0.5) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (!own || !box.width || style.visibility === "hidden" || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const svg = element instanceof SVGElement;
    const [a, b] = [light(number(svg ? style.fill : style.color)), light(svg ? [255, 255, 255] : behind(element))];
    found.push({text: element.textContent.trim().slice(0, 40), size: parseFloat(style.fontSize), svg,
                contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), right: box.right});
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(a_run, found, small_space, small_table, tmp_path_factory) -> dict[str, Path]:
    """The three pages, of a run whose class folders have names that are code."""
    folder = tmp_path_factory.mktemp("pages")
    paths = {name: folder / f"{name}.html" for name in ("run", "search", "sensitivity")}
    write_report(a_run, paths["run"])
    write_search_report(found.result, paths["search"], space=small_space, table=small_table, study=found.study)
    write_sensitivity_report(a_run.sensitivity, paths["sensitivity"])
    return paths


@pytest.fixture(params=["run", "search", "sensitivity"])
def name(request):
    return request.param


@pytest.fixture
def opened(browser, pages, name):
    """A function that opens a page as wide as it says; nothing may have gone wrong in it at the end."""
    troubles, requests, contexts = [], [], []

    def open_page(width: int):
        phone = width < 600
        context = browser.new_context(viewport={"width": width, "height": 800}, has_touch=phone, is_mobile=phone)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(pages[name].as_uri())
        page.wait_for_function(
            "[...document.querySelectorAll('.plotly-graph-div')].every(one => one.querySelector('.main-svg'))"
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert sum(url.startswith("file:") for url in requests) == len(contexts)


@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_is_readable(opened, width):
    page = opened(width)
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= seen, "the page scrolls sideways"
    texts = page.evaluate(_TEXTS)
    assert len(texts) > 30 and any(text["svg"] for text in texts) == (page.locator(".js-plotly-plot").count() > 0)
    assert not [text for text in texts if text["size"] < _SMALLEST]
    assert not [text for text in texts if text["contrast"] < _CONTRAST]


def test_the_front_tells_what_is_under_the_pointer_and_zooms(opened, name):
    if name == "sensitivity":
        pytest.skip("no picture there")
    page = opened(1400)
    page.locator("#pareto").scroll_into_view_if_needed()
    place = page.evaluate("""() => {
        const plot = document.getElementById("pareto"), box = plot.querySelector(".nsewdrag").getBoundingClientRect();
        const {xaxis, yaxis} = plot._fullLayout, point = plot.data[0];
        return [box.x + xaxis.d2p(point.x[0]), box.y + yaxis.d2p(point.y[0]), box.x, box.y, box.width, box.height];
    }""")
    x, y, left, top, width, height = place
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    page.wait_for_selector("#pareto .hovertext")
    assert "parameters" in page.locator("#pareto .hovertext").first.text_content()
    ranges = "document.getElementById('pareto')._fullLayout.xaxis.range.slice()"
    before = page.evaluate(ranges)
    page.mouse.move(left + 0.25 * width, top + 0.25 * height)
    page.mouse.down()
    page.mouse.move(left + 0.75 * width, top + 0.75 * height, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{ranges}[0] !== {before[0]}")
    after = page.evaluate(ranges)
    assert after[1] - after[0] == pytest.approx(0.5 * (before[1] - before[0]), rel=0.05)


def test_a_finger_on_a_picture_scrolls_the_page(opened, name):
    if name == "sensitivity":
        pytest.skip("no picture there")
    page = opened(400)
    assert page.evaluate("document.getElementById('pareto')._fullLayout.dragmode") is False


def test_every_heading_is_reached_from_the_head_of_the_page(opened):
    page = opened(1400)
    links = page.locator("nav a")
    assert links.all_text_contents() == page.locator("h2").all_text_contents()
    for link in links.all():
        assert page.locator(f"section{link.get_attribute('href')}").count() == 1
