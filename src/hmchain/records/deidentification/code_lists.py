"""Lists of codes that ship with the program, because their licence allows it; each says its source and terms.

A list is a file of `rules/codes`. A line that begins with `@` names a system in all ways; then comes a line a code,
with the terminology's own text after a tab if it is known, or `first..last` for codes that follow each other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "rules" / "codes"


@dataclass
class CodeList:
    """All codes of one system."""

    names: tuple[str, ...]
    """Its URI, then OIDs, URIs that it had before, and what it is called in HL7 v2."""
    texts: dict[str, str] = field(default_factory=dict)
    """Codes with their texts, empty where none is known."""
    ranges: list[tuple[str, str]] = field(default_factory=list)

    def __contains__(self, code: str) -> bool:
        if code in self.texts:
            return True
        place = bisect_right(self.ranges, (code, "\U0010ffff")) - 1
        if place < 0:
            return False
        first, last = self.ranges[place]
        return len(code) == len(first) and first <= code <= last and code.isascii()


@cache
def code_lists() -> tuple[CodeList, ...]:
    """Read the shipped lists."""
    return tuple(each for path in sorted(_FOLDER.glob("*.tsv")) for each in _lists(path))


def _lists(path: Path) -> Iterator[CodeList]:
    current: CodeList | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        code, _, text = line.partition("\t")
        if code == "@":
            if current is not None:
                yield current
            current = CodeList(tuple(text.split("\t")))
        elif current is not None:
            first, dots, last = code.partition("..")
            if dots and last:
                current.ranges.append((first, last))
            else:
                current.texts[code] = text
    if current is not None:
        yield current
