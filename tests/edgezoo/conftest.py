"""The command line without a process for each call, and a reader of pages that is not a browser."""

import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple

import pytest

from edgezoo.cli import main

_VOID = {"meta", "link", "br", "wbr", "hr", "img", "input"}


@dataclass
class Page(HTMLParser):
    """What a page holds; fails where a tag is not closed.

    Attributes:
        requests: addresses that the page would ask for.
        scripts: beginnings of the scripts.
        ids: of all that has one but sections.
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
        asked = [given[name] for name in ("src", "href", "action", "data", "srcset") if name in given]
        self.requests += [address for address in asked if not address.startswith("#")]
        if "id" in given and tag != "section":
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


class Answer(NamedTuple):
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def edgezoo(monkeypatch) -> Callable[..., Answer]:
    """A function that runs the command with some arguments, in this process: starting one takes seconds."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["edgezoo", *map(str, arguments)])
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as stop:
                code = int(stop.code or 0)
        return Answer(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def refused(edgezoo) -> Callable[..., str]:
    """A function that runs a command that must fail, and returns its one line."""

    def run(*arguments: object) -> str:
        answer = edgezoo(*arguments)
        assert answer.returncode == 1, answer.stderr
        assert not answer.stdout
        lines = answer.stderr.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), answer.stderr
        return lines[0]

    return run
