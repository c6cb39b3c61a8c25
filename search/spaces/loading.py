"""Spaces by name, from files and from JSON text."""

import re
from pathlib import Path

from search.spaces.base import SPACES, SearchSpace, SpaceError, read_object
from search.spaces.cells import CellSpace
from search.spaces.published import PublishedSpace
from search.spaces.space import Space
from zoo import UnknownNameError
from zoo.spec import MAX_JSON_CHARS

_TYPES: dict[str, type[SearchSpace]] = {"staged": Space, "published": PublishedSpace, "cells": CellSpace}


def load_space(source: str | Path) -> SearchSpace:
    """Return a space by its name, out of a `.json` file, or declared in JSON text.

    The declaration's `type` is "staged" (the default), "published" or "cells"; its other fields are those of Space,
    PublishedSpace or CellSpace. Raises SpaceError, one line, for anything else.
    """
    text = str(source)
    if text[:1000].lstrip().startswith("{"):
        return _declared(text)
    if isinstance(source, Path) or text.endswith(".json"):
        return _declared(_content(Path(source)))
    if not re.fullmatch(r"[\w-]{1,64}", text):
        raise SpaceError(f"{text[:60]!r} is no name of a space, no .json file and no declaration in JSON")
    try:
        return SPACES.get(text)
    except UnknownNameError as error:
        raise SpaceError(str(error)) from None


def _content(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_JSON_CHARS + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise SpaceError(f"cannot read {str(path)[:200]!r}: {reason}") from None


def _declared(text: str) -> SearchSpace:
    data = read_object(text)
    kind = data.get("type", "staged")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise SpaceError(f"space: type must be one of {', '.join(_TYPES)}, got {str(kind)[:60]!r}")
    return _TYPES[kind](**data)
