"""This program as it was called: printed commands begin with it, so that they work where they are printed."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

NAME = "hmchain"
ASKED = "_HMCHAIN_COMPLETE"
"""The variable by which a shell asks for the words that may follow."""


def program() -> str:
    """The words that call this program from the present folder: its name if a shell finds it, else its path."""
    called = Path(sys.argv[0])
    try:
        if called.name == "__main__.py" and called.parent.name == NAME:
            return f"{_from_here(Path(sys.executable))} -m {NAME}"
        if called.name != NAME:
            return NAME
        found = shutil.which(NAME)
        return NAME if found and called.samefile(found) else _from_here(called)
    except OSError:  # the present folder, or the program, is gone
        return NAME


def _from_here(path: Path) -> str:
    """How a shell in this folder calls a program: by its name, by its path from here, or by its whole path."""
    whole = path.absolute()
    if shutil.which(path.name) == str(whole):
        return path.name
    return shlex.quote(str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole))
