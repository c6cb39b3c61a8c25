"""The methods of the survey by name: what each is, where it comes from, and what to call."""

import fnmatch
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from zoo.errors import unknown_name

Family = Literal["pruning", "low-rank", "quantization", "distillation", "combined"]
T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Method:
    """One way to compress.

    Attributes:
        name: as the literature calls it, in lower case with hyphens.
        family: of the survey's Table 2.
        paper: where it was published: "arXiv:1608.08710", or authors, place and year.
        call: the function or class to use; `where` is its import path.
    """

    name: str
    family: Family
    paper: str
    call: Callable[..., Any]

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (inspect.getdoc(self.call) or "").partition("\n")[0]

    @property
    def where(self) -> str:
        """Where it is: `model_compression.pruning.netadapt.netadapt`."""
        return f"{self.call.__module__}.{self.call.__qualname__}"


_METHODS: dict[str, Method] = {}


def method(name: str, family: Family, *, paper: str) -> Callable[[T], T]:
    """Return a decorator that lists what it decorates as the method `name`; one may have several names."""

    def add(call: T) -> T:
        if name in _METHODS:
            raise ValueError(f"method {name!r} is registered twice")
        _METHODS[name] = Method(name, family, paper, call)
        return call

    return add


def list_methods(pattern: str = "*", *, family: str | None = None) -> list[Method]:
    """Return the methods whose names match a shell-style `pattern`, sorted by family and name.

    >>> [m.name for m in list_methods("adaround")]
    ['adaround']

    Raises UnknownNameError for a family that there is not.
    """
    if family is not None and family not in get_args(Family):
        raise unknown_name("family", family, get_args(Family))
    _discover()
    found = [m for m in _METHODS.values() if fnmatch.fnmatchcase(m.name, pattern) and family in (None, m.family)]
    return sorted(found, key=lambda m: (m.family, m.name))


def _discover() -> None:
    package = importlib.import_module("model_compression")
    for module in pkgutil.walk_packages(package.__path__, "model_compression."):
        importlib.import_module(module.name)
