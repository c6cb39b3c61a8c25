"""A reader of pages that is not a browser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

_VOID = {"meta", "link", "br", "hr", "img", "input"}


@dataclass
class Page(HTMLParser):
    """What a page holds; fails where a tag is not closed.

    Attributes:
        requests: addresses that the page would ask for.
        scripts: beginnings of the scripts.
    """

    headings: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.requests += [given[name] for name in ("src", "href", "action", "data", "srcset") if name in given]
        if "id" in given:
            self.ids.append(given["id"])
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        tag = self._open[-1] if self._open else ""
        if tag == "script":
            self.scripts.append(data[:200].strip())
        elif tag == "h2":
            self.headings.append(data)
        elif tag != "style":
            self.text += data + "\n"

    def close(self):
        super().close()
        assert not self._open


@pytest.fixture(scope="session")
def read_page():
    """Return what the file of a page holds."""

    def read(path) -> Page:
        page = Page()
        page.feed(path.read_text())
        page.close()
        return page

    return read
