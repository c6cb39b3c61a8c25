"""What the pages do not write themselves: the zoo's networks, the methods, the command line, out of the code.

A page asks for it with a comment, `<!-- generated: models -->`.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo

import model_compression
import zoo
from edgezoo.cli import app

_ASKED = re.compile(r"<!-- generated: (\w+) -->")
_VALUES = {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page with what it asks for in place; a word that is not known is a KeyError."""
    return _ASKED.sub(lambda asked: GENERATED[asked[1]](), markdown)


def models() -> str:
    """Return the networks of the zoo as a table."""
    rows = []
    for name in zoo.list_models():
        info = zoo.model_info(name)
        top1 = f"{info.reported_top1:.2f}" if info.reported_top1 else ""
        size = (f"{info.params / 1e6:.3f}", f"{info.macs / 1e6:.1f}", str(info.resolution))
        rows.append((f"`{name}`", info.family, *size, top1, info.top1_source if top1 else "", _linked(info.paper)))
    columns = ("network", "family", "params M", "MACs M", "pixels", "top-1 %", "published by", "paper")
    return _table(columns, rows)


def methods() -> str:
    """Return the methods of compression as a table for each family."""
    parts = []
    for family in dict.fromkeys(method.family for method in model_compression.list_methods()):
        found = model_compression.list_methods(family=family)
        rows = [(f"`{m.name}`", m.summary, _linked(m.paper), f"`{m.where}`") for m in found]
        parts += [f"## {family.capitalize()}", _table(("method", "what it does", "paper", "call"), rows)]
    return "\n\n".join(parts)


def commands() -> str:
    """Return every command with its arguments and options."""
    return "\n\n".join(_described(app, "edgezoo"))


GENERATED = {"models": models, "methods": methods, "commands": commands}


def _described(group: typer.Typer, name: str) -> Iterator[str]:
    """Yield the text of the commands of a group and of the groups below it."""
    level = "##" if name == "edgezoo" else "###"
    for command in group.registered_commands:
        function = command.callback
        assert function is not None
        parameters = list(_parameters(function))
        needed = (p.usage for p in parameters if p.required)
        yield f"{level} {name} {command.name}\n\n{_with_example(inspect.getdoc(function) or '')}"
        yield f"```text\n{' '.join((name, str(command.name), *needed, '[OPTIONS]'))}\n```"
        rows = [(f"`{p.usage}`", p.told, "required" if p.required else p.default) for p in parameters]
        yield _table(("", "what it is", "default"), rows)
    for below in group.registered_groups:
        assert below.typer_instance is not None
        yield f"## {name} {below.name}\n\n{below.typer_instance.info.help}"
        yield from _described(below.typer_instance, f"{name} {below.name}")


class _Parameter(NamedTuple):
    usage: str
    told: str
    required: bool
    default: str


def _parameters(function: Callable[..., Any]) -> Iterator[_Parameter]:
    """Yield what the signature of a command says of its arguments and options, which are all `Annotated`."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = get_args(hints[name])
        required = parameter.default is parameter.empty
        several = get_origin(kind) is list
        default = " ".join(parameter.default) if several and not required else parameter.default
        shown = "" if default is None or default is False or default == "" else f"`{default}`"
        if isinstance(info, ArgumentInfo):
            yield _Parameter(name.upper() + "..." * several, info.help, required, shown)
            continue
        given = [word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str)]
        option = given[0] if given else f"--{name.replace('_', '-')}"
        [value, *_] = [part for part in (get_args(kind) or (kind,)) if part is not type(None)]
        usage = option if value is bool else f"{option} {_VALUES[value]}"
        yield _Parameter(usage, info.help + " May be given several times." * several, required, shown)


def _with_example(text: str) -> str:
    """Return a command's help with its example as a block."""
    told, _, example = text.partition("Example: ")
    return f"{told.strip()}\n\n```bash\n{example.strip()}\n```" if example else told


def _linked(paper: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = (columns, ["---"] * len(columns), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells)
