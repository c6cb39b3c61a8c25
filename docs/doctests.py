"""Docstrings whose examples stand between sentences: as code, where Markdown would read `[...]` as a link."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^>>> .+(?:\n(?!\n).+)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts fences around the examples of docstrings."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object once it and its members are loaded."""
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
