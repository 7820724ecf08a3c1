"""Printing: JSON on standard output, or tables and lines in which no text from a ledger is trusted.

Names, titles and classes come from other members. Nothing of them is read as markup, and control characters are shown
instead of sent to the terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Timer
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from hmchain.application.pages.figures import NARROW_SPACE
from hmchain.clock import utc
from hmchain.interfaces.cli import hints, layout
from hmchain.plain import Progress, plain, printable

if TYPE_CHECKING:
    from rich.console import Console

    from hmchain.ledger.readers.states import VerifiedState

Value = TypeVar("Value")

_as_json: ContextVar[bool] = ContextVar("as_json", default=False)
_wide: ContextVar[bool] = ContextVar("wide", default=False)
_PIPE_COLUMNS = 160
"""Width of the demo's pages where there is no terminal, which would be a guess of 80 else."""
_COLUMNS_MIN = 20
SILENT_SECONDS_MAX = 1.0
"""Whoever waits longer is told for what."""


def console(*, stderr: bool = False, markup: bool = False) -> Console:
    """A console on the standard stream that is in place now; `markup` is for texts that are all our own."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = _columns(stream) or _PIPE_COLUMNS
    return Console(file=stream, markup=markup, emoji=False, highlight=False, width=width)


def tame_terminal() -> None:
    """Forget measures of a terminal that are none: libraries take whatever COLUMNS and LINES say."""
    for name, least in (("COLUMNS", _COLUMNS_MIN), ("LINES", 1)):
        given = os.environ.pop(name, "")
        if re.fullmatch(r"0*[1-9][0-9]{0,3}", given, re.ASCII):
            os.environ[name] = str(max(int(given), least))


def _columns(stream: TextIO | None = None) -> int | None:
    """The width to fill; None where lines may be of any length: in files and pipes, and with `--wide`."""
    if _wide.get():
        return None
    if given := os.environ.get("COLUMNS"):
        return int(given)
    try:
        return max(os.get_terminal_size((stream or sys.stdout).fileno()).columns, _COLUMNS_MIN)
    except (OSError, ValueError):  # no terminal, or no file at all
        return None


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


def widen(wanted: bool) -> bool:
    """Have tables show every column and whole digests from now on, however long the lines; the callback of `--wide`."""
    _wide.set(wanted)
    return wanted


def is_wide() -> bool:
    """Tell whether the command that runs was given `--wide`."""
    return _wide.get()


def in_json() -> bool:
    """Tell whether the command that runs was given `--json`."""
    return _as_json.get()


def show(value: Value, text: Callable[[Value], None], json: Callable[[Value], Any] = plain) -> None:
    """Show what a command found out: where `--json` was given as what `json` makes of it, else with the view `text`."""
    if in_json():
        write_json(plain(json(value)), sys.stdout)
    else:
        text(value)


def tell(value: Value, sentence: str) -> None:
    """Say in a sentence what was done; where `--json` was given, show what came of it."""
    show(value, lambda _: say(sentence))


def write(text: str) -> None:
    """Print a text that a program reads, as it is."""
    sys.stdout.write(text + "\n")


def write_json(value: Any, stream: TextIO) -> None:
    """Print plain JSON and a newline; control characters, and what is no text in a file's name, as JSON's escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    lines = (line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n"))
    stream.write("\n".join(lines) + "\n")


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


def safe(text: str) -> str:
    """`text` with its control characters made visible, and its commands as they work here; lines stay lines."""
    return hints.whole(printable(text.replace(NARROW_SPACE, ","), keep="\n"))  # pages part thousands with a space


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]], drop: Sequence[str] = ()) -> None:
    """Print a table that breaks no word; columns whose name ends in a number sign are right-aligned.

    Where a terminal is too narrow, the columns in `drop` are left out, the first named first; else rows become stacks.
    """
    cells = [[safe(str(cell)) for cell in row] for row in rows]
    _print(layout.table([safe(column) for column in columns], cells, _columns(), drop))


def fields(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line."""
    _print(layout.fields([(safe(name), safe(str(value))) for name, value in pairs], _columns()))


def _print(laid_out: layout.Layout) -> None:
    from rich.text import Text

    screen = console()
    for line in laid_out.lines:
        screen.print(Text.assemble(*line), soft_wrap=True)
    if laid_out.left_out:
        say(f"No room for: {', '.join(laid_out.left_out)}. --wide shows all.", style="dim")


def short(digest: bytes | str) -> str:
    """The first letters of a digest or an id, which every command takes for it; with `--wide` all of it."""
    whole = digest.hex() if isinstance(digest, bytes) else digest
    return (whole if _wide.get() else whole[:12]) or "-"


when = utc
"""A block time, UTC."""


def listed(names: Iterable[str], otherwise: str = "-") -> str:
    """Names in one line, or what stands where there are none."""
    return ", ".join(names) or otherwise


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say on standard error what is done while nothing is printed, once it lasts; silent where there is no terminal."""
    screen = console(stderr=True)
    if in_json() or not screen.is_terminal:
        yield
        return
    shown = screen.status(f"{what} ...", spinner="line")
    timer = Timer(SILENT_SECONDS_MAX, shown.start)
    timer.daemon = True  # Ctrl-C waits for nothing
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        shown.stop()


@contextmanager
def progress_bar(what: str, *, in_bytes: bool = False) -> Iterator[Progress]:
    """A progress bar on standard error, for as long as the work takes; silent where there is no terminal."""
    from rich import progress

    done = progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn()
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), done, progress.TimeRemainingColumn())
    screen = console(stderr=True)
    with progress.Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
