"""The end of a command that cannot do what was asked: one or two lines, a code, an exit status, never a traceback."""

from __future__ import annotations

import errno
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from hmchain.errors import HMChainError, InputError, StorageError
from hmchain.interfaces.cli import hints, output, streams
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.lazy import LazyCommand
from hmchain.interfaces.program import program
from hmchain.plain import plain

INTERRUPTED = 130
UNEXPECTED = 70
READER_GONE = 141
"""Standard output was closed: the status that the signal would give. Never 0, so that no failed audit can pass."""

_NO_COMMAND = re.compile(r"No such command '([^']+)'")
_WAYS_MAX = 3
_HELD = ("data", "quarantine", "list")
_ERASE = ("data", "erase")
_SAID_ELSE: dict[str, tuple[tuple[str, ...], ...]] = {
    "held": (_HELD,), "holds": (_HELD,), "why": (_HELD,), "review": (("data", "quarantine", "review"),),
    "delete": (_ERASE,), "remove": (_ERASE,), "forget": (_ERASE,),
    "anonymize": (("data", "deidentify"),), "anonymise": (("data", "deidentify"),),
    "import": (("data", "extract"),), "add": (("data", "extract"),), "ls": (("data", "list"),),
    "datasets": (("data", "list"),), "whois": (("data", "patients", "reidentify"),),
}  # fmt: skip
"""What people call a command, and what it is called."""
_EXTRAS = {
    "torch": "learning",
    "PIL": "learning",
    "safetensors": "learning",
    "medmnist": "medmnist",
    "httpx": "cometbft",
    "websockets": "cometbft",
    **dict.fromkeys(("babel", "fastapi", "js_lib_htmx", "prometheus_client", "starlette", "uvicorn"), "portal"),
    "google": "cometbft",
    "dicomanonymizer": "data",
    "gdcm": "data",
    "jpeg_ls": "data",
    "onnxruntime": "data",
    "polars": "data",
    "pydicom": "data",
    "pynetdicom": "data",
}
"""Optional libraries and the extra of this package that installs each."""
_PARTS = {"cometbft": "network", "data": "data"}
"""What the set-up calls the parts that install extras; any part installs the others."""


class MissingExtraError(HMChainError):
    """A library is needed that this installation left out."""

    code = "missing_extra"


class UnusableInputError(InputError):
    """What was given is nested too deep, too large, or no text that can be written."""

    code = "unusable_input"


_TOO_MUCH: dict[type[BaseException], str] = {
    RecursionError: "what was given is nested too deep",
    MemoryError: "what was given needs more memory than there is",
    UnicodeEncodeError: "what was given is no text that can be written",
}


class FileAccessError(StorageError):
    """The system refuses to read or write a file."""

    code = "file_access"


@dataclass(frozen=True)
class Failure:
    """All that a user is told."""

    what: str
    hint: str
    code: str
    exit_code: int

    def show(self, *, as_json: bool) -> None:
        """Print it: for people on standard error, as JSON on standard output."""
        if not self.what:
            return  # no command was given, and the help has been printed
        for write in (self._write_json, self._write_text) if as_json else (self._write_text,):
            try:
                write()
            except BrokenPipeError:
                raise  # who read us has read enough
            except OSError:
                continue  # no room for it: the other stream may have some, and the exit status says it too
            return

    def _write_json(self) -> None:
        try:
            output.write_json({"error": {**plain(self), "hint": hints.whole(self.hint)}}, sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError:
            streams.drop_output()  # or it would be tried, and fail, once more at the end
            raise

    def _write_text(self) -> None:
        console = output.console(stderr=True)
        console.print("error", style="bold red", end=" ")
        console.print(f"{output.safe(self.what)} [{self.code}]", soft_wrap=True)
        if self.hint:
            console.print("      " + output.safe(self.hint), style="dim", soft_wrap=True)


def explain(error: BaseException) -> Failure:
    """The words for an error; of one that nobody foresaw only its type, since its text could hold anything."""
    if isinstance(error, typer.TyperException):
        return _of_usage(error)
    if isinstance(error, ModuleNotFoundError) and (extra := _extra(error)):
        missing = f"{error.name} is not installed"
        part = _PARTS.get(extra, "demo")
        hint = f"`scripts/setup.sh {part}` where hmchain was cloned; or pip install 'hmchain[{extra}]'"
        error = MissingExtraError(missing, hint)
    elif isinstance(error, OSError) and error.errno == errno.EBADF and error.filename is None:
        error = FileAccessError(
            "standard output is closed, and nobody gets the answer", "leave it open, or give a file"
        )
    elif isinstance(error, OSError) and error.errno:
        where = "what is read or written" if error.filename is None else error.filename
        error = FileAccessError(f"{where}: {os.strerror(error.errno)}", "check the path, its owner and the free space")
    elif what := next((words for kind, words in _TOO_MUCH.items() if isinstance(error, kind)), None):
        error = UnusableInputError(what, "give less, or something else")
    if isinstance(error, HMChainError):
        return Failure(error.what, error.hint, error.code, error.exit_code)
    hint = "run it again with HMCHAIN_DEBUG=1 to see where, and report it"
    return Failure(f"unexpected {type(error).__name__}", hint, "unexpected", UNEXPECTED)


def interrupted(arguments: list[str], running: type[WriteCommand] | None) -> Failure:
    """The words for a user who pressed Ctrl-C, by the kind of command that was `running`; None if none was."""
    what = (running or ReadCommand).interrupted
    return Failure("stopped", f"{what}: {program()} {shlex.join(arguments)}", "interrupted", INTERRUPTED)


def debugging() -> bool:
    """Tell whether tracebacks are wanted."""
    return os.environ.get("HMCHAIN_DEBUG", "") not in ("", "0")


def _of_usage(error: typer.TyperException) -> Failure:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else program()
    said, hint = _in_words(error.format_message()), f"`{command} --help` shows what can be given"
    if context and (word := _NO_COMMAND.match(said)) and (ways := _elsewhere(context, word[1])):
        hint = f"did you mean {' or '.join(ways)}? {hint}"
    return Failure(said, hint, "usage", error.exit_code)


def _in_words(said: str) -> str:
    """What a library says of a wrong argument, in the words of those who typed it."""
    said = said.replace("Value error, ", "")
    for code, letters in (("%Y", "YYYY"), ("%m", "MM"), ("%d", "DD"), ("%H", "hh"), ("%M", "mm"), ("%S", "ss")):
        said = said.replace(code, letters)
    return said


def _elsewhere(context: Any, word: str) -> list[str]:
    """The commands that are called by a word in other groups, or do what it says."""
    root = context.find_root()
    told = [*_SAID_ELSE.get(word, ()), *_named(root.command, word, ())]
    return [f"`{root.command_path} {' '.join(way)}`" for way in dict.fromkeys(told)][:_WAYS_MAX]


def _named(group: Any, word: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, command in getattr(group, "commands", {}).items():
        if command.hidden:
            continue
        if name == word:
            yield (*path, name)
        yield from _named(command.loaded if isinstance(command, LazyCommand) else command, word, (*path, name))


def _extra(error: ModuleNotFoundError) -> str | None:
    return _EXTRAS.get((error.name or "").partition(".")[0])
