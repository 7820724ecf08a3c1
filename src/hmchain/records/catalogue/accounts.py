"""The account of a version: what became of each file that its sources held, and of the parts within them.

What items became is kept with them as counts, and the files that they are of as keyed digests: no name is in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter

OPTED_OUT = "of who or what opted out"
"""Why parts are passed over that are nobody's to take."""


class Fate(StrEnum):
    """The ways that a part of a file can go."""

    WRITTEN = "written"
    UPDATED = "updated"
    """Written, in the place of an earlier edition of itself, which had been counted as written."""
    RELEASED = "released"
    """Written, since a person let it through."""
    HELD = "held"
    REJECTED = "rejected"
    """Held, until a person rejected it."""
    ERASED = "erased"
    """Written or held, and erased since."""
    TWICE = "twice"
    OLDER = "older"
    """An earlier edition than the one that is written."""
    PASSED = "passed_over"
    NOT_HAD = "not_had"


TAKEN, IN_PART = "taken", "in_part"
"""What a file is of which all, or something while the rest waits, was written."""

FATES = (
    TAKEN,
    IN_PART,
    Fate.RELEASED,
    Fate.HELD,
    Fate.REJECTED,
    Fate.ERASED,
    Fate.TWICE,
    Fate.OLDER,
    Fate.PASSED,
    Fate.NOT_HAD,
)
"""The ways that a file can go."""

Became = Mapping[tuple[Fate, str], int]
"""Parts of an item by what became of them, and why; 0 of a file that is none of our data."""


@dataclass(frozen=True)
class Count:
    """A number of files, and of parts in any files."""

    files: int = 0
    parts: int = 0


@dataclass(frozen=True)
class Account:
    """Sums over all files of a version; those by what became of them add up to those that were found."""

    files: Mapping[str, int] = field(default_factory=dict)
    """By one of `FATES`: what they are now, also after a release, a rejection or an erasure."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """By `Fate`. Of two editions the one that is written and the older one are counted, in whatever order they came."""
    passed_over: Mapping[str, Count] = field(default_factory=dict)
    """By reason."""
    held: Mapping[str, Count] = field(default_factory=dict)
    """By the code of the reason."""

    @property
    def found(self) -> Count:
        """All."""
        return Count(sum(self.files.values()), sum(self.parts.values()))

    def as_json(self) -> dict[str, object]:
        """Sums first."""
        return {
            "files": {"found": self.found.files, **self.files},
            "parts": {"found": self.found.parts, **self.parts},
            "passed_over": {reason: _listed(count) for reason, count in self.passed_over.items()},
            "held": {code: _listed(count) for code, count in self.held.items()},
        }


def encode(became: Became) -> str:
    """As it is kept."""
    return json.dumps(sorted([fate, why, parts] for (fate, why), parts in became.items()))


@lru_cache(maxsize=1 << 12)
def decode(kept: str) -> Became:
    """As it was; most items of a version became the same."""
    return {(Fate(fate), why): parts for fate, why, parts in json.loads(kept)}


def add_up(rows: Iterable[tuple[bytes, str]]) -> Account:
    """The account of items, each with its file and what it became, in the order of the files."""
    sums, alike = _Sums(), Counter[str]()
    for _, found in groupby(rows, key=itemgetter(0)):
        items = iter(found)
        (_, first), second = next(items), next(items, None)
        if second is None:  # a million files of one item each become a few things
            alike[first] += 1
            continue
        whole = Counter(decode(first))
        for _, became in chain([second], items):
            whole.update(decode(became))  # keeps what is 0, unlike a sum
        sums.add(whole)
    for became, files in alike.items():
        sums.add(decode(became), files)
    return sums.account()


class _Sums:
    def __init__(self) -> None:
        self._files, self._parts = Counter[str](), Counter[str]()
        self._passed, self._held = _Counts(), _Counts()

    def add(self, whole: Became, files: int = 1) -> None:
        """Add so many files of which the parts became the same."""
        fate, why = _of_file(whole)
        self._files[fate] += files
        for (each, reason), count in whole.items():
            self._parts[Fate.OLDER if each is Fate.UPDATED else each] += count * files
            counts = {Fate.PASSED: self._passed, Fate.HELD: self._held}.get(each)
            if counts is not None:
                counts.add(reason, Count(files * ((fate, why) == (each, reason)), count * files))

    def account(self) -> Account:
        """All of them."""
        ordered = {fate: self._files[fate] for fate in FATES if self._files[fate]}
        parts = {fate.value: self._parts[fate] for fate in Fate if self._parts[fate]}
        return Account(ordered, parts, self._passed.all, self._held.all)


class _Counts:
    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}

    def add(self, reason: str, count: Count) -> None:
        known = self._counts.get(reason, Count())
        self._counts[reason] = Count(known.files + count.files, known.parts + count.parts)

    @property
    def all(self) -> dict[str, Count]:
        return dict(sorted(self._counts.items()))


def _of_file(became: Mapping[tuple[Fate, str], int]) -> tuple[str, str]:
    """What a file counts as, by all that became of its parts, and the reason if there is one."""
    fates = {fate for fate, _ in became}
    if written := fates & {Fate.WRITTEN, Fate.UPDATED, Fate.RELEASED}:
        return (IN_PART if Fate.HELD in fates else Fate.RELEASED if written == {Fate.RELEASED} else TAKEN), ""
    for fate in (Fate.HELD, Fate.NOT_HAD, Fate.REJECTED, Fate.ERASED, Fate.TWICE, Fate.OLDER, Fate.PASSED):
        if fate in fates:
            most = max((count, why) for (each, why), count in became.items() if each is fate)
            return fate, most[1]
    return Fate.PASSED, ""


def _listed(count: Count) -> dict[str, int]:
    return {"files": count.files, "parts": count.parts}
