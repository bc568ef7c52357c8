"""Progress bars on a terminal, nothing elsewhere. The only module of the trainer that draws them."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_Item = TypeVar("_Item")


_drawn: list[
    str
] = []  # of this process; a bar within a bar is not drawn, the terminal has one place for them


@contextmanager
def progress(n_steps: int, what: str) -> Iterator[Callable[[str], None]]:
    """A bar on standard error; call what it gives after every step, with a word on how things stand."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    hidden = bool(_drawn) or not sys.stderr.isatty()
    _drawn.append(what)
    try:
        with Progress(*columns, console=console, disable=hidden) as bar:
            task = bar.add_task(what, total=n_steps, note="")
            yield lambda note: bar.update(task, advance=1, note=note)
    finally:
        _drawn.pop()


def track(items: Iterable[_Item], n_items: int, what: str) -> Iterator[_Item]:
    """Go through items with a bar."""
    with progress(n_items, what) as step:
        for item in items:
            yield item
            step("")
