"""Questions before what cannot be taken back: what is about to happen is shown, and only a yes lets it happen.

Questions and what they show go to standard error: standard output is for what a command did.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated

import typer

from hmchain.errors import InputError
from hmchain.interfaces.cli import output

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts, which nobody answers.")]


class NotConfirmedError(InputError):
    """What cannot be taken back was asked for, and nobody said yes to it."""

    code = "not_confirmed"


def confirm(question: str, *, yes: bool, about: Callable[[], None] | None = None) -> None:
    """Show what is about to happen, with `about`, and go on only if a person at a terminal says so, or `yes`.

    Raises `NotConfirmedError` where there is no terminal, or if the answer is no; `typer.Abort` at Ctrl-C.
    """
    if yes:
        return
    if not at_terminal():
        hint = "add --yes if it is to be done; nothing was changed"
        raise NotConfirmedError("this asks first, and nobody is there to answer", hint)
    if about is not None:
        with redirect_stdout(sys.stderr):
            about()
    if _answer(question) not in ("y", "yes"):
        raise NotConfirmedError("the answer was no", "nothing was changed")


def _answer(question: str) -> str:
    """The line that is typed."""
    return _typed(f"{output.safe(question)} [y/N]: ").strip().lower()


def _typed(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    try:
        return sys.stdin.readline()
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise typer.Abort from None


def read_line(question: str) -> str:
    """The line that a person types. Raises `typer.Abort` at Ctrl-C, and at Ctrl-D, which is no answer."""
    if not (typed := _typed(f"{output.safe(question)}: ")):
        sys.stderr.write("\n")
        raise typer.Abort
    return typed.strip()


def read_unseen(prompt: str) -> str:
    """A line that a person types unseen, or the first line of what is piped in."""
    typed = getpass.getpass(prompt, sys.stderr) if at_terminal() else sys.stdin.readline()
    return typed.strip()


def patient_number(given: str | None = None, prompt: str = "Patient's number: ") -> str:
    """A patient's number; without one, and for `-`, it is asked for, unseen. Raises `InputError` for an empty one."""
    number = read_unseen(prompt) if given is None or given == "-" else given.strip()
    if not number:
        raise InputError("no patient's number was given", "type it, or pipe it in as a first line; nothing was changed")
    return number


def at_terminal() -> bool:
    """Tell whether a person can read a question here and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()
