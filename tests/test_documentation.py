"""What README.md and the pages in docs/ show is true: Python runs, commands parse, files load, links lead somewhere.

A page tells of a block in a comment before it, which readers do not see:

    <!-- slow -->            it takes minutes: run with -m slow only
    <!-- not run: WHY -->    it cannot run here; it must be Python all the same
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token

import zoo
from edgezoo.cli import app
from latency_tables import RUNTIMES
from latency_tables.table import shipped_tables
from latency_tables.transport import parse_device
from model_compression import Recipe
from model_compression.distillation import LOSSES
from model_compression.recipe.step import STEPS
from search.early_stopping import PRUNERS
from search.samplers import SAMPLERS
from search.scores import SCORES
from search.scores.training_free import PROXIES
from search.spaces import SPACES, load_space
from zoo.blocks import BLOCKS
from zoo.data import SOURCES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
_MARK = re.compile(r"<!-- (slow|not run: .+) -->\s*")
_TITLE = re.compile(r'title="([\w./-]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the file it is shown as, the line it begins on, the mark before it."""

    language: str
    title: str
    line: int
    content: str
    mark: str


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").parse(page.read_text())


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of a page in some languages, in order."""
    found, mark = [], ""
    for token in _tokens(page):
        if token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = _TITLE.search(rest)
            assert token.map is not None
            found.append(Block(language, title[1] if title else "", token.map[0] + 1, token.content, mark))
        comment = _MARK.fullmatch(token.content) if token.type == "html_block" else None
        mark = comment[1] if comment else ""
    return [block for block in found if block.language in languages]


def commands(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line and words of each command in the bash blocks of a page, two for `a && b`, without variables before."""
    for block in blocks(page, "bash"):
        text = block.content.replace("\\\n", " \x00")
        for offset, line in enumerate(text.splitlines()):
            words: list[str] = []
            for word in [*shlex.split(line.replace("\x00", ""), comments=True), "&&"]:
                if word != "&&" and (words or not re.match(r"\w+=", word)):
                    words.append(word)
                elif word == "&&" and words:
                    yield block.line + 1 + offset, words
                    words = []


def run(page: Path, folder: Path, *, slow: bool) -> None:
    """Run the Python of a page in order, as one program in `folder`; files that it shows lie there."""
    names = {"__name__": "page"}
    for block in blocks(page, "python", "json", "yaml"):
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.content)
        if block.language != "python":
            continue
        code = compile("\n" * block.line + block.content, str(page), "exec")
        if not block.mark or (block.mark == "slow" and slow):
            exec(code, names)


def pages(language: str, *, slow: bool = False) -> list[Path]:
    """Return the pages with blocks in a language, those alone that have a slow one where `slow`."""
    return [page for page in PAGES if any(not slow or block.mark == "slow" for block in blocks(page, language))]


@pytest.fixture(autouse=True)
def _own_folder_and_registries(tmp_path, monkeypatch):
    """Pages write files and register blocks, runtimes, data: no other test sees them."""
    monkeypatch.chdir(tmp_path)
    for registry in (BLOCKS, RUNTIMES, SOURCES, LOSSES, STEPS, SPACES):
        monkeypatch.setattr(registry, "_entries", {name: registry.get(name) for name in registry})


def _by_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages("python"), ids=_by_name)
def test_python_runs(page, tmp_path):
    run(page, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", pages("python", slow=True), ids=_by_name)
def test_python_that_takes_long_runs(page, tmp_path):
    run(page, tmp_path, slow=True)


def _parsed(words: list[str]) -> dict[str, object]:
    """Return the values of the parameters of an `edgezoo` command; raises what typer raises for bad usage."""
    command, rest = typer.main.get_command(app), words[1:]
    while members := getattr(command, "commands", None):
        assert rest and rest[0] in members, f"{' '.join(words)}: no command {' '.join(rest[:1])}"
        command, rest = members[rest[0]], rest[1:]
    return command.make_context(" ".join(words), list(rest)).params


def _check_values(values: dict[str, object], made: set[str]) -> None:
    """Raise where a value names what there is not, but for the files that the page itself shows (`made`)."""
    known = {
        "runtime": RUNTIMES.get,
        "sampler": SAMPLERS.get,
        "score": SCORES.get,
        "pruner": PRUNERS.index,
        "training_free": PROXIES.get,
        "baseline": zoo.get_spec,
        "start_from": zoo.get_spec,
        "name": zoo.model_info,
        "device": parse_device,
        "data": lambda value: SOURCES.get(value.partition(":")[0]),
        "space": lambda value: value in made or load_space(value),
        "recipe": lambda value: not value or value in made or Recipe.load(value),
        "network": lambda value: "/" in value or zoo.get_spec(value),
        "net": lambda value: Path(value).suffix or zoo.model_info(value),
        "also": lambda value: zoo.list_models(value.partition("@")[0])[0],
        **dict.fromkeys(("table", "first", "second"), _check_table),
    }
    for name, value in values.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if name in known and one is not None:
                known[name](one)
    if "dtype" in values:
        RUNTIMES.get(str(values["runtime"])).dtypes.index(str(values["dtype"]))


def _check_table(table: object) -> None:
    name = str(table).rpartition("=")[2]
    if not name.endswith(".json"):
        shipped_tables().index(name)


@pytest.mark.parametrize("page", pages("bash"), ids=_by_name)
def test_commands_are_understood(page):
    made = {block.title for block in blocks(page, "json", "yaml")}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line, words in commands(page):
        where = f"{page}:{line}: {' '.join(words)}"
        try:
            if words[0] == "edgezoo":
                _check_values(_parsed(words), made)
            elif words[0] == "python" and words[1].startswith("scripts/"):
                _check_script(words[1:])
        except Exception as error:
            pytest.fail(f"{where}: {error or type(error).__name__}")
        for names in re.findall(r"\.\[([\w,]+)\]", " ".join(words)):
            assert set(names.split(",")) <= set(extras), f"{where}: no such extra"


def _check_script(words: list[str]) -> None:
    text = (ROOT / words[0]).read_text()
    missing = [word for word in words if word.startswith("--") and f'"{word}"' not in text]
    assert not missing, f"no option {' '.join(missing)}"


@pytest.mark.parametrize("page", pages("json") + pages("yaml"), ids=_by_name)
def test_files_that_are_shown_load(page, tmp_path):
    for block in blocks(page, "json", "yaml"):
        path = tmp_path / block.title
        path.write_text(block.content)
        load_space(path) if block.language == "json" else Recipe.load(path)


@pytest.mark.parametrize("page", PAGES, ids=_by_name)
def test_links_lead_somewhere(page):
    for token in _tokens(page):
        for child in token.children or ():
            target = str(child.attrs.get("href") or child.attrs.get("src") or "").partition("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"
