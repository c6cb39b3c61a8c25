"""One progress bar a stage for people; silence for machines."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from model_compression.recipe import Step

Advance = Callable[..., None]


@contextlib.contextmanager
def stage(console: Console, title: str, total: int) -> Iterator[Advance]:
    """Show a bar of `total` steps; yields `advance(done, note="", total=None)`, where another total begins anew."""
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=console.quiet or not console.is_terminal) as progress:
        task = progress.add_task(title, total=total, note="")

        def advance(done: int, note: str = "", total: int | None = None) -> None:
            shown = progress.tasks[0]
            if total not in (None, shown.total):
                progress.reset(task, total=total, completed=done, note=note)
            else:
                progress.update(task, completed=done, note=note)

        started = time.monotonic()
        yield advance
        if not console.is_terminal:
            console.print(f"{title}: {time.monotonic() - started:.0f} s", highlight=False)


class RecipeBar:
    """Shows on the bar of `advance` what each step of a recipe does just now, and how much of it is done."""

    def __init__(self, advance: Advance) -> None:
        self._advance, self._step = advance, ""

    def begin(self, number: int, step: "Step") -> None:
        """Take up the next step."""
        self._step = step.step
        self._advance(0, f"step {number + 1}, {self._step}")

    def progress(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` are through, of `what`."""
        self._advance(done, f"{self._step}: {what}", total)
