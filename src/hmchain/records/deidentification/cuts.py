"""Numbers that are cut into parts, over fields or elements that tell nobody by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def spelled(
    line: Sequence[tuple[str, T]], numbers: frozenset[str], *, parts_max: int, apart: int = 1
) -> Iterator[tuple[T, ...]]:
    """The places of runs of digits that make one of some numbers together, in order or from the last to the first.

    They are no more than `apart` apart.
    """
    for way in (line, line[::-1]):
        digits = "".join(run for run, _ in way)
        if apart > 1 or any(number in digits for number in numbers):
            yield from _spelled(way, numbers, parts_max, apart)


def _spelled(
    line: Sequence[tuple[str, T]], numbers: frozenset[str], parts_max: int, apart: int
) -> Iterator[tuple[T, ...]]:
    starts = _starts(numbers)
    begun: list[tuple[str, tuple[int, ...]]] = [(run.lstrip("0"), (at,)) for at, (run, _) in enumerate(line)]
    while begun:
        together, places = begun.pop()
        if together in numbers and len(places) > 1:
            yield tuple(line[at][1] for at in places)
        if together in starts and len(places) < parts_max:
            following = range(places[-1] + 1, min(places[-1] + 1 + apart, len(line)))
            begun += [(together + line[at][0], (*places, at)) for at in following]


@lru_cache(maxsize=64)
def _starts(numbers: frozenset[str]) -> frozenset[str]:
    """What some numbers begin with; the same for all segments of a message."""
    return frozenset(number[:end] for number in numbers for end in range(1, len(number)))
