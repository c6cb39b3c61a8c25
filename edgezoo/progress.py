"""One progress bar a stage for people; silence for machines."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[..., None]


@contextlib.contextmanager
def stage(console: Console, title: str, total: int) -> Iterator[Advance]:
    """Show a bar of `total` steps; yields `advance(done, note="")`."""
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

        def advance(done: int, note: str = "") -> None:
            progress.update(task, completed=done, note=note)

        started = time.monotonic()
        yield advance
        if not console.is_terminal:
            console.print(f"{title}: {time.monotonic() - started:.0f} s", highlight=False)
