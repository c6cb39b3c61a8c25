"""One kind of registry for everything that is found by name: blocks, networks, data sets, runtimes, losses."""

import fnmatch
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from zoo.errors import unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to objects, filled by a decorator in the file that defines the object.

    Args:
        kind: what one entry is called in messages ("block", "runtime").
        package: dotted package whose modules are imported at the first look-up, so that a new file there
            registers itself and nothing else needs an edit.
        hint: appended to the message about an unknown name.
    """

    def __init__(self, kind: str, package: str, hint: str = "") -> None:
        self.kind, self.package, self.hint = kind, package, hint
        self._entries: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files an object under `name`; a name is given once."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def _all(self) -> dict[str, T]:
        if not self._discovered:
            self._discovered = True
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
        return self._entries

    def get(self, name: str) -> T:
        """Return the entry called `name`; raises UnknownNameError with the nearest names."""
        entry = self._entries.get(name)
        if entry is None:
            entry = self._all().get(name)
        if entry is None:
            raise unknown_name(self.kind, name, self._all(), self.hint)
        return entry

    def names(self, pattern: str = "*") -> list[str]:
        """Return the sorted names that match a shell-style `pattern`."""
        return sorted(n for n in self._all() if fnmatch.fnmatchcase(n, pattern))

    def __contains__(self, name: str) -> bool:
        return name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))
