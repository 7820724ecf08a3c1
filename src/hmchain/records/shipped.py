"""Rules in TOML that ship with the package, or that a hospital writes for itself."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TypeVar

import msgspec

from hmchain.errors import InputError
from hmchain.files import read_toml

T = TypeVar("T", bound=msgspec.Struct)


def names(shipped: Path) -> list[str]:
    """The names of those that ship in a folder of the package."""
    return sorted(path.stem for path in shipped.glob("*.toml"))


def load(name: str, shipped: Path, kind: type[T], what: str, error: type[InputError]) -> T:
    """Read one: the name of a shipped one, or the path of a TOML file.

    Raises `error` if there is no `what` of that name, or saying which entry is wrong.
    """
    path = Path(name) if name.endswith(".toml") else shipped / f"{name}.toml"

    def wrong(reason: str) -> InputError:
        return error(f"{what} {name} cannot be read: {reason}", "mend that entry")

    try:
        return read_toml(path, kind, wrong)
    except OSError as cause:
        known = names(shipped)
        near = [f"`{each}`" for each in difflib.get_close_matches(name, known, n=2)]
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        hint = f"{meant}give {', '.join(known)}, or the path of a .toml file"
        raise error(f"there is no {what} {name}", hint) from cause
