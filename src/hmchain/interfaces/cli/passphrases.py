"""The passphrase of key files: from a file, from the environment, from systemd, or typed by a person at a terminal.

It never stands on a command line, where every user of the machine could read it, and no process that a command starts
inherits it.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from hmchain.errors import InputError, KeyMaterialError
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import at_terminal, read_unseen
from hmchain.processes import PASSPHRASE, taken_out

T = TypeVar("T")

FILE_VARIABLE = "HMCHAIN_PASSPHRASE_FILE"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Set by systemd for a service with `LoadCredential`; it names a folder that the service alone reads."""
CREDENTIAL = "hmchain-passphrase"
TIMES_ASKED = 3
_FILE_BYTES_MAX = 4096
"""A larger file is not one of a passphrase, and is not read further."""
_WRONG = "wrong_passphrase"
"""The code of `keys.WrongPassphraseError`, whose module takes long to import."""

_file: ContextVar[Path | None] = ContextVar("passphrase file", default=None)
_taken: ContextVar[str | None] = ContextVar("passphrase of the environment", default=None)
_typed: ContextVar[str | None] = ContextVar("passphrase that was typed", default=None)


class PassphraseFileError(KeyMaterialError):
    """The file of a passphrase cannot be read, holds none, or can be read by others."""

    code = "passphrase_file"


class UnlikePassphrasesError(InputError):
    """A new passphrase was typed twice, and not the same."""

    code = "unlike_passphrases"


@contextmanager
def passphrase_taken() -> Iterator[None]:
    """Keep the passphrase out of the environment while a command runs, and forget what was typed at its end."""
    with taken_out(PASSPHRASE) as value:
        tokens = [(variable, variable.set(found)) for variable, found in ((_taken, value), (_typed, None))]
        file = _file.set(None)
        try:
            yield
        finally:
            _file.reset(file)
            for variable, token in tokens:
                variable.reset(token)


def take_file(path: Path | None) -> Path | None:
    """Read the passphrase from a file; the callback of `--passphrase-file`."""
    if path is not None:
        _file.set(path)
    return path


def passphrase() -> str | None:
    """The passphrase that was given, if one was.

    Typed comes before `--passphrase-file`, that before the variables of the environment (file, then passphrase), and
    these before systemd's credential. Raises `PassphraseFileError`.
    """
    if typed := _typed.get():
        return typed
    if path := _file.get() or _path_of(FILE_VARIABLE):
        return _read(path, private=True)
    if value := _taken.get() or os.environ.get(PASSPHRASE):
        return value
    folder = _path_of(CREDENTIALS_VARIABLE)
    if folder is not None and (folder / CREDENTIAL).exists():
        return _read(folder / CREDENTIAL, private=False)  # systemd opens it to the service's user by an access list
    return None


def new_passphrase() -> str | None:
    """The passphrase for new key files: the one that was given, else one that a person types twice, or none.

    Raises `PassphraseFileError` or `UnlikePassphrasesError`.
    """
    given = passphrase()
    if given is not None or not can_ask():
        return given
    for _ in range(TIMES_ASKED):
        typed = read_unseen("Passphrase to seal the key files with (Enter: none): ")
        if not typed or typed == read_unseen("The same again: "):
            return typed or None
        output.say("They are not the same.", stderr=True)
    raise UnlikePassphrasesError("the passphrase was not typed the same twice", "nothing was made; try again")


def asked_for(run: Callable[[], T]) -> T:
    """Run a command; where key files want another passphrase, ask a person at the terminal for it and run it again.

    Keys are opened before anything is done. Raises `WrongPassphraseError` after the third wrong one, and where nobody
    can be asked.
    """
    for _ in range(TIMES_ASKED):
        try:
            return run()
        except KeyMaterialError as error:
            if error.code != _WRONG or not can_ask():
                raise
            output.say(f"{error.what}.", stderr=True)
            if not (typed := read_unseen("Passphrase: ")):
                raise
            _typed.set(typed)
    return run()


def _path_of(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _read(path: Path, *, private: bool) -> str:
    """The passphrase in a file, without the end of its line; `private` refuses one that others can read."""
    try:
        with path.open("rb") as file:
            if private and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise PassphraseFileError(f"{path} can be read by others", f"run: chmod 600 {path}")
            content = file.read(_FILE_BYTES_MAX + 1)
        found = content.decode("utf-8-sig").rstrip("\r\n")  # some editors begin a file with a mark
    except OSError as error:
        raise PassphraseFileError(f"{path} cannot be read", "check the path and its owner") from error
    except UnicodeDecodeError:
        found = ""  # no error may show any of it
    if not found or "\n" in found or len(content) > _FILE_BYTES_MAX:
        hint = "it is one line of text, of 4 KiB at most, and nothing else"
        raise PassphraseFileError(f"{path} does not hold a passphrase", hint)
    return found


def can_ask() -> bool:
    """Tell whether a person is at the terminal, and this process is the one that it listens to."""
    with suppress(OSError):
        return at_terminal() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return False
