"""Values as JSON has them and sizes as people say them, the notice that stands under results, reports of progress."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import PurePath
from typing import Any

RESEARCH_ONLY = "Research use only, not a medical device."

Progress = Callable[[int, int | None], None]
"""Takes how much is done, and of how much; None where nobody knows the end."""

Say = Callable[[str], None]
"""Takes a line for people, while something runs."""


_AS_THEY_ARE = (str, int, float, type(None))
_BEYOND_ASCII = re.compile(r"[^ -~]")
"""All but letters that are printable for certain: few, so that a page of megabytes takes no time."""


PREFIX_MIN = 4
"""Digits that name a ballot, a change or a document: an empty variable must not mean the only one there is."""


def is_meant(id: bytes, prefix: str) -> bool:
    """Whether somebody who gives these first hex digits may mean this id; fewer than `PREFIX_MIN` mean none."""
    return len(prefix) >= PREFIX_MIN and id.hex().startswith(prefix.lower())


def number(value: float) -> str:
    """A number as people write it: a whole one with all its digits, of which there may be more than a float takes."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def tell(progress: Progress | None, done: int, of: int | None) -> None:
    """Report, if anybody listens."""
    if progress is not None:
        progress(done, of)


def printable(text: str, *, keep: str = "") -> str:
    """`text` with its control characters made visible, but for those to `keep`."""

    def shown(found: re.Match[str]) -> str:
        letter = found[0]
        return letter if letter.isprintable() or letter in keep else repr(letter)[1:-1]

    return _BEYOND_ASCII.sub(shown, text)


def readable(text: str, *, lines: bool) -> str:
    """A text of somebody's as a terminal may show it: spaces of all kinds are spaces, control characters visible.

    Its lines stay lines, or else it becomes one.
    """
    kept = text.replace("\r\n", "\n") if lines else " ".join(text.split())
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" or letter == "\t" else letter for letter in kept)
    return printable(spaced, keep="\n" if lines else "").strip()


def plain(value: Any) -> Any:
    """A record, dataclass or container as JSON values: bytes become hex, tagged records keep their tag as `type`."""
    if isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if (form := _form(type(value))) is not None:  # type: ignore[arg-type]  # classes are hashable
        tag, names = form
        named = {name: plain(getattr(value, name)) for name in names}
        return {"type": tag, **named} if tag else named
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence):
        return [plain(entry) for entry in value]
    return str(value) if isinstance(value, PurePath) else value


@cache
def _form(kind: type) -> tuple[Any, tuple[str, ...]] | None:
    """The tag of a record or dataclass, if it has one, and the names of its fields; None of anything else."""
    if dataclasses.is_dataclass(kind):
        return None, tuple(field.name for field in dataclasses.fields(kind))
    names: tuple[str, ...] | None = getattr(kind, "__struct_fields__", None)
    return None if names is None else (kind.__struct_config__.tag, names)  # type: ignore[attr-defined]


def size(count: int) -> str:
    """Bytes in the unit that fits, in powers of 1000 as disks and networks are sold: 812 B, 4.2 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
