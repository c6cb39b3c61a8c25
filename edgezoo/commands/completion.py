"""What the tab key offers: names read out of the sources, since importing PyTorch for a key press takes a second."""

import ast
import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

_ROOT = Path(__file__).parents[2]
_REGISTERED = re.compile(r'^@?[A-Z]+\.register\("([^"]+)"\)', re.MULTILINE)


def registered(package: str) -> list[str]:
    """Return the sorted names that the files of `package`, as a path, register."""
    files = sorted((_ROOT / package).glob("*.py"))
    return sorted(name for file in files for name in _REGISTERED.findall(file.read_text()))


def constant(file: str, name: str) -> Any:
    """Return the value of a constant of literals in a source `file`."""
    for node in ast.parse((_ROOT / file).read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name:
            return ast.literal_eval(node.value)  # type: ignore[attr-defined]
    raise LookupError(f"{file} has no {name}")


def networks(incomplete: str) -> list[str]:
    """Return the networks of the zoo whose names begin so, and files and folders that do."""
    with (_ROOT / "zoo/models/figures.csv").open(newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    return _beginning(names, incomplete) + paths(incomplete)


def tables(incomplete: str) -> list[str]:
    """Return the latency tables that ship, and files and folders."""
    names = sorted(file.stem for file in (_ROOT / "latency_tables/tables").glob("*.json"))
    return _beginning(names, incomplete) + paths(incomplete)


def runtimes(incomplete: str) -> list[str]:
    return _beginning(registered("latency_tables/runtimes"), incomplete)


def dtypes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the number formats of the runtime on the command line, of all where there is none that is known."""
    from latency_tables.runtimes import RUNTIMES

    runtime = str(context.params.get("runtime"))
    chosen = [runtime] if runtime in RUNTIMES else RUNTIMES.names()
    return _beginning(sorted({dtype for name in chosen for dtype in RUNTIMES.get(name).dtypes}), incomplete)


def spaces(incomplete: str) -> list[str]:
    return _beginning(registered("search/spaces"), incomplete) + paths(incomplete)


def samplers(incomplete: str) -> list[str]:
    return _beginning(registered("search/samplers"), incomplete)


def scores(incomplete: str) -> list[str]:
    return _beginning(registered("search/scores"), incomplete)


def training_free(incomplete: str) -> list[str]:
    return _beginning(registered("search/scores/training_free"), incomplete)


def pruners(incomplete: str) -> list[str]:
    return _beginning(constant("search/early_stopping.py", "PRUNERS"), incomplete)


def data(incomplete: str) -> list[str]:
    return _beginning(registered("zoo/data"), incomplete)


def recipes(incomplete: str) -> list[str]:
    """Return the recipes by name, files, and the steps that may follow the last + of one that is spelt out."""
    done, plus, last = incomplete.rpartition("+")
    steps = [*registered("model_compression/recipe/steps"), "int8"]
    if plus:
        return [done + plus + step for step in _beginning(steps, last)]
    return _beginning([*constant("model_compression/recipe/recipe.py", "RECIPES"), *steps], last) + paths(incomplete)


def blocks(incomplete: str) -> list[str]:
    return _beginning(registered("zoo/blocks"), incomplete)


def paths(incomplete: str) -> list[str]:
    """Return the files and folders whose paths begin so; folders end in a slash."""
    folder, _, start = incomplete.rpartition("/")
    where = Path(folder + "/" if incomplete.startswith("/") or folder else ".").expanduser()
    try:
        found = sorted(entry for entry in where.iterdir() if entry.name.startswith(start))
    except OSError:
        return []
    shown = [entry for entry in found if start or not entry.name.startswith(".")]
    prefix = folder + "/" if "/" in incomplete else ""
    return [f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}" for entry in shown]


def _beginning(names: Iterable[str], start: str) -> list[str]:
    return [name for name in names if name.startswith(start)]
