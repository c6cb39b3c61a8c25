"""The errors of edgezoo: each message is one line that says what, where and what to do."""

import difflib
from collections.abc import Iterable

_MOST_CHARS = 1000


class EdgezooError(Exception):
    """Any failure that a user can understand and mend; its text is one line, whatever names out of files are in it."""

    def __init__(self, text: object = "") -> None:
        line = " ".join(str(text).splitlines()).encode(errors="backslashreplace").decode()
        super().__init__(line if len(line) <= _MOST_CHARS else line[:_MOST_CHARS] + "...")


class SpecError(EdgezooError, ValueError):
    """A description of a block or a network that cannot be built."""


class UnknownNameError(EdgezooError, KeyError):
    """A name that no registry holds."""

    __str__ = Exception.__str__  # KeyError would print the repr of the message


class DataError(EdgezooError):
    """Images that are missing, unreadable or unfit for training."""


class TrainingDivergedError(EdgezooError):
    """A training whose loss became NaN or infinite."""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """Return the error for an unknown `name`, naming up to three near ones of `known`."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if not near and len(known) <= 12:
        near = known
    text = f"unknown {kind} {name!r}"
    if near:
        text += "; did you mean " + " or ".join(repr(n) for n in near) + "?"
    return UnknownNameError(f"{text} {hint}".rstrip())


def first_line(error: BaseException) -> str:
    """Return the first line of `error` that says anything, else the name of its class.

    >>> first_line(ValueError("\\n  no size given\\nTraceback"))
    'no size given'
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
