"""Ids that a command tells as JSON, looked for in what it shows people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

_WORD = re.compile(r"[\w./:-]{4,}")
_PIECE = 4


def broken(value: Any, shown: str) -> list[str]:
    """The words of JSON's texts that the text has only in two pieces, on two lines that follow each other."""
    whole = set(_WORD.findall(shown))
    lines = [set(line.split()) for line in shown.splitlines()]
    found = []
    for word in sorted(set(_texts(value)) - whole):
        cuts = [(word[:at], word[at:]) for at in range(_PIECE, len(word))]
        if any(head in line and tail in after for line, after in pairwise(lines) for head, tail in cuts):
            found.append(word)
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, str):
        yield from _WORD.findall(value)
