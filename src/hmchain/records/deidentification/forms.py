"""The forms in which an identity is looked for: what is compared whole, and what may stand inside other words."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from hmchain.records.deidentification.figures import DIGITS_MIN, PART_DIGITS_MIN
from hmchain.records.deidentification.spellings import INSIDE_LETTERS_MIN, LETTERS_MIN, NameForms, titled

NUMBER_DIGITS_MIN = 5
"""Numbers of fewer digits are met by chance among measurements: 512 rows, 1024 columns."""
_PREFIX_CERTAIN, _PREFIX_MAX = 8, 64
_DECIMAL_DIGITS_MAX = 17  # more than a number of 64 bits tells apart


class Trace(IntEnum):
    """A trace of the patient in a value."""

    NONE = 0
    POSSIBLE = 1
    """A short word or number that is also the patient's: maybe by chance."""
    CERTAIN = 2


@dataclass(frozen=True)
class Forms:
    """All forms of one identity, made once and looked into often."""

    exact: Mapping[str, Trace] = field(default_factory=dict)
    """Words that count if they stand by themselves, whatever the case, beside digits or spelled with spaces."""
    inside: tuple[str, ...] = ()
    """Long words that count inside others, forwards and backwards."""
    needles: tuple[str, ...] = ()
    """One of these is in whatever text has a word of four letters or more of `exact`, or one of `inside`."""
    short: frozenset[str] = frozenset()
    """The shorter words of `exact`."""
    numbers: Mapping[str, Trace] = field(default_factory=dict)
    days: frozenset[str] = frozenset()
    """Days in eight digits: they count at either end of longer runs of digits too."""
    whole: frozenset[str] = frozenset()
    """Identifiers with their punctuation."""
    coarse: frozenset[str] = frozenset()
    skeletons: frozenset[str] = frozenset()
    values: Mapping[float, Trace] = field(default_factory=dict)
    """What numbers as values may be: those of `numbers`, and the long ones with a point somewhere."""
    in_bytes: tuple[bytes, ...] = ()
    """What may be looked for in bytes of any kind."""


@dataclass
class Facts:
    """Everything that is known of an identity, as it is collected."""

    words: set[str] = field(default_factory=set)
    short: set[str] = field(default_factory=set)
    glued: set[str] = field(default_factory=set)
    coarse: set[str] = field(default_factory=set)
    skeletons: set[str] = field(default_factory=set)
    numbers: dict[str, Trace] = field(default_factory=dict)
    pointed: set[str] = field(default_factory=set)
    """Numbers that are looked for with a point somewhere too."""
    dated: set[str] = field(default_factory=set)
    """Days with the names of their months."""
    separated: set[str] = field(default_factory=set)
    """Days with their parts apart."""
    whole: set[str] = field(default_factory=set)

    def add_names(self, forms: NameForms, *, short: bool, terms: frozenset[str]) -> None:
        """Take in a name; `terms` are words that tell nobody by themselves."""
        words = forms.words - terms
        self.words |= {word for word in words if len(word) >= LETTERS_MIN}
        if short:
            self.short |= {word for word in words if len(word) < LETTERS_MIN}
        self.glued |= forms.glued - terms
        self.coarse |= forms.coarse
        self.skeletons |= forms.skeletons

    def add_number(self, digits: str, digits_min: int, trace: Trace | None = None) -> None:
        """Take in a run of digits."""
        if len(digits) >= digits_min:
            found = trace or (Trace.CERTAIN if len(digits) >= DIGITS_MIN else Trace.POSSIBLE)
            self.numbers[digits] = max(found, self.numbers.get(digits, Trace.NONE))

    def _values(self) -> Iterator[tuple[float, Trace]]:
        for digits in self.pointed:
            is_round = len(digits.rstrip("0")) < NUMBER_DIGITS_MIN  # 5120000 is met as 512 rows
            if PART_DIGITS_MIN <= len(digits) <= _DECIMAL_DIGITS_MAX and not is_round:
                for places in range(1, len(digits)):
                    value = int(digits) / 10**places
                    yield value, Trace.POSSIBLE
                    yield struct.unpack("f", struct.pack("f", value))[0], Trace.POSSIBLE
        for digits, trace in self.numbers.items():
            if len(digits.lstrip("0")) >= NUMBER_DIGITS_MIN:
                yield float(digits), trace

    def forms(self) -> Forms:
        """Make what is looked for of what is known."""
        certain = self.words | self.glued | self.dated
        if not certain and not self.short:
            return Forms(
                numbers=self.numbers,
                whole=frozenset(self.whole),
                values=dict(self._values()),
                in_bytes=tuple(word.encode() for word in self.whole.union(self.numbers) if len(word) >= DIGITS_MIN),
            )
        long = {word for word in certain if len(word) >= INSIDE_LETTERS_MIN}
        backwards = {word[::-1] for word in long - self.dated}
        long_numbers = {digits for digits in self.numbers if len(digits) >= DIGITS_MIN}
        in_bytes = (certain - self.dated) | self.separated | self.whole | long_numbers
        exact: dict[str, Trace] = dict.fromkeys(self.short, Trace.POSSIBLE)
        for word in self.words | self.glued:
            for end in range(INSIDE_LETTERS_MIN, min(len(word), _PREFIX_MAX)):
                exact.setdefault(word[:end], Trace.CERTAIN if end >= _PREFIX_CERTAIN else Trace.POSSIBLE)
        for word in self.words:
            exact |= dict.fromkeys(titled(word), Trace.CERTAIN)
        exact |= dict.fromkeys(certain, Trace.CERTAIN)
        return Forms(
            exact,
            _shortest(long | backwards),
            _shortest({word[:INSIDE_LETTERS_MIN] for word in certain} | backwards),
            frozenset(self.short),
            self.numbers,
            frozenset(day for day in self.numbers if len(day) == 8),
            frozenset(self.whole),
            frozenset(self.coarse),
            frozenset(self.skeletons),
            dict(self._values()),
            tuple(word.encode() for word in _shortest(in_bytes)),
        )


def occurrences(word: str, text: str) -> Iterator[int]:
    """Where a word occurs in a text; a short one or a number only where it stands by itself."""
    by_itself = len(word) < INSIDE_LETTERS_MIN or word.isdigit()
    at = text.find(word)
    while at >= 0:
        beside = text[max(at - 1, 0) : at] + text[at + len(word) : at + len(word) + 1]
        if not by_itself or not _TOKEN.search(beside):
            yield at
        at = text.find(word, at + 1)


_TOKEN = re.compile(r"[a-z0-9]")


def _shortest(words: Iterable[str]) -> tuple[str, ...]:
    """Words without those that hold another."""
    kept: list[str] = []
    for word in sorted(words, key=lambda word: (len(word), word)):
        if not any(shorter in word for shorter in kept):
            kept.append(word)
    return tuple(kept)
