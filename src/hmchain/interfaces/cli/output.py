"""Printing: JSON on standard output, or tables and lines in which no text from a ledger is trusted.

Names, titles and classes come from other members. Nothing of them is read as markup, and control characters are shown
instead of sent to the terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from hmchain.clock import utc
from hmchain.plain import Progress, plain, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hmchain.ledger.readers.states import VerifiedState

Value = TypeVar("Value")

_as_json: ContextVar[bool] = ContextVar("as_json", default=False)
_PIPE_COLUMNS = 160
"""Width where there is no terminal: tables in files and pipes should not lose text to a guess of 80."""


def console(*, stderr: bool = False, markup: bool = False) -> Console:
    """A console on the standard stream that is in place now; `markup` is for texts that are all our own."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPE_COLUMNS
    return Console(file=stream, markup=markup, emoji=False, highlight=False, width=width)


def say(text: str = "", *, style: str | None = None, stderr: bool = False) -> None:
    """Print a line; long ones are wrapped by the terminal, so that paths and digests can be copied whole."""
    console(stderr=stderr).print(safe(text), style=style, soft_wrap=True)


def remark(text: str) -> None:
    """Say beside the answer what happens meanwhile, where people read."""
    if not in_json():
        say(text, stderr=True)


def vouch(found: VerifiedState) -> None:
    """Say where what is shown is not (yet) what members signed."""
    if not found.whole:
        say(f"As of block {found.state.height}: {found.words}.", style="bold yellow", stderr=True)


def heading(text: str) -> None:
    """Print a title."""
    say()
    say(text, style="bold")


def answer_in_json(wanted: bool) -> bool:
    """Have `show` print JSON from now on, or text for people; the callback of `--json`."""
    _as_json.set(wanted)
    return wanted


def in_json() -> bool:
    """Tell whether the command that runs was given `--json`."""
    return _as_json.get()


def show(value: Value, text: Callable[[Value], None], json: Callable[[Value], Any] = plain) -> None:
    """Show what a command found out: where `--json` was given as what `json` makes of it, else with the view `text`."""
    if in_json():
        write_json(plain(json(value)), sys.stdout)
    else:
        text(value)


def write_json(value: Any, stream: TextIO) -> None:
    """Print plain JSON and a newline."""
    stream.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def safe(text: str) -> str:
    """`text` with its control characters made visible; lines stay lines."""
    return printable(text, keep="\n")


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table; columns whose name ends in a number sign are right-aligned."""
    console().print(make_table(columns, rows))


def make_table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    """A table of plain text."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column.removesuffix("#"), justify="right" if column.endswith("#") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(safe(str(cell)) for cell in row))
    return made


def fields(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, safe(str(value)))
    console().print(grid)


def short(digest: bytes | str) -> str:
    """The first letters of a digest: enough for `hmchain ledger tx`."""
    return (digest.hex() if isinstance(digest, bytes) else digest)[:12] or "-"


when = utc
"""A block time, UTC."""


def listed(names: Iterable[str]) -> str:
    """Names in one line."""
    return ", ".join(names) or "-"


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A progress bar on standard error, for as long as the work takes; silent where there is no terminal."""
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )  # fmt: skip
    screen = console(stderr=True)
    with progress.Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
