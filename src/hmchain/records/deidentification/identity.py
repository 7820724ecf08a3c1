"""The identity of an item's patient, as the item itself tells it, and the search for values that tell it again.

A name is looked for as people write it (`spellings`), a number and a day likewise (`figures`). Long words are looked
for inside values. Short ones would be met by chance there: they are compared with whole words and runs of digits,
numbers with whole numbers, and what is met may be a coincidence that a person can see. All forms are made once an
identity, and a text is folded once: what costs time is one look at all texts together, which nearly always finds none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hmchain.records.deidentification.figures import (
    DIGITS_MIN,
    PART_DIGITS_MIN,
    SHORT_DIGITS_MIN,
    day_forms,
    day_separated,
    number_forms,
)
from hmchain.records.deidentification.forms import NUMBER_DIGITS_MIN, Facts, Forms, Trace, occurrences
from hmchain.records.deidentification.spellings import (
    LETTERS_MIN,
    NameForms,
    coarse,
    fold,
    folded_with_places,
    name_forms,
    skeleton,
    spellings,
)
from hmchain.records.deidentification.terms import HARMLESS, PLACES

__all__ = ["NUMBER_DIGITS_MIN", "Identity", "Mention", "Trace", "worst"]

BYTES_MIN = 6
"""Shorter words would be met by chance in long values of bytes."""
PLACE_LETTERS_MIN = 5
SHORT_BYTES_MAX, NUMBER_BYTES_MAX = 4096, 8
FEW_NUMBERS = 64

_INTEGERS = ("<u2", "<i2")
_TOKEN, _LETTERS, _DIGITS = re.compile(r"[a-z0-9]+"), re.compile(r"[a-z]+"), re.compile(r"\d{4,}", re.ASCII)
_SEPARATED = re.compile(r"(?<!\d)\d+(?:[ ./()+-]+\d+)+", re.ASCII)
_BETWEEN_TOKENS = {code: None for code in range(128) if not chr(code).isalnum()}
_LOOKALIKES = (str.maketrans("013457", "oieast"), str.maketrans("013458", "oleasb"))
"""Digits that stand for letters."""
_SPELLED, _SPELLED_IN_ONE = re.compile(rb"[ -~]{3,64}"), re.compile(rb"[0-9a-z ^]{3,8}")
"""Bytes that read as text; those of one number (eight at most) have marks among them by chance."""

_Find = tuple[int, int, Trace]


@dataclass(frozen=True)
class Mention:
    """A place in a text that tells who the patient is."""

    start: int
    end: int
    trace: Trace


class Identity:
    """The names and numbers of one patient, and of others that an item names."""

    def __init__(self, digits_min: int = SHORT_DIGITS_MIN) -> None:
        """`digits_min` is how short a number may be: in some data shorter ones are met by chance in many codes."""
        self._digits_min = digits_min
        self._facts = Facts()
        self._own: Forms | None = None
        self._others: list[Identity] = []

    # -- what is known ---------------------------------------------------------------------------------------------

    def include(self, other: Identity) -> None:
        """Look for all that another one looks for."""
        self._others.append(other)

    def add_name(self, name: str, *, own: bool) -> None:
        """Remember a name; of the patient's `own` also its short parts."""
        self._add_names(name_forms(name.strip(" \0")), short=own)

    def add_place(self, words: str) -> None:
        """Remember the words of an institution's name or of an address, but for those that many have."""
        for word in re.split(r"[^\w]+", words.strip(" \0")):
            found = {spelled for spelled in spellings(word) if len(spelled) >= PLACE_LETTERS_MIN}
            if found and not found & PLACES and not any(spelled.isdigit() for spelled in found):
                self._add_names(NameForms(words=found), short=False)

    def add_number(self, value: str, *, own: bool) -> None:
        """Remember an identifier as a whole; of the patient's `own` also the numbers in it, and its digits alone."""
        self._own = None
        word = fold(value.strip(" \0"))
        if word.isdigit():
            self._facts.add_number(word, self._digits_min if own else DIGITS_MIN)
        elif len(word) >= LETTERS_MIN and word not in HARMLESS:
            self._facts.whole.add(word)
            if "@" in word:
                self.add_name(word.split("@")[0].replace(".", " "), own=own)
        elif own and len(word) >= 2 and word not in HARMLESS:
            self._facts.short.add(word)
        if own:
            for digits in number_forms(word):
                self._facts.add_number(digits, self._digits_min)
            runs = _DIGITS.findall(word)
            self._facts.pointed |= {run.lstrip("0") for run in (*runs, "".join(runs))}

    def add_day(self, value: str, digits_min: int = DIGITS_MIN) -> None:
        """Remember a date of birth (`19670318`, `1967-03-18`) in all ways in which dates are written.

        Those of fewer digits than `digits_min` are met by chance.
        """
        numeric, named = day_forms(value, digits_min)
        for digits in numeric:
            self._facts.add_number(digits, 0, Trace.CERTAIN if len(digits) > DIGITS_MIN else Trace.POSSIBLE)
        self._facts.dated |= named
        self._facts.separated |= day_separated(value)
        self._own = None

    def _add_names(self, forms: NameForms, *, short: bool) -> None:
        self._facts.add_names(forms, short=short, terms=HARMLESS)
        self._own = None

    def _forms(self) -> Iterator[Forms]:
        if self._own is None:
            self._own = self._facts.forms()
        yield self._own
        for other in self._others:
            yield from other._forms()

    # -- the search ------------------------------------------------------------------------------------------------

    def is_nowhere_in(self, text: str) -> bool:
        """Tell whether none of many values, one a line, tells anything: a quick look before a look at each."""
        folded = fold(text)
        together = folded.translate(_BETWEEN_TOKENS)
        alike = (together, *(together.translate(table) for table in _LOOKALIKES))
        runs: set[str] = set()
        for forms in self._forms():
            if forms.numbers and not runs:
                runs = _runs(folded)
            if not runs.isdisjoint(forms.numbers) or _ends_in(runs, forms.days):
                return False
            if any(needle in letters for needle in forms.needles for letters in alike):
                return False
            if any(word in folded for word in forms.whole):
                return False
            if any(word in folded for word in forms.short) and not _tokens(folded).isdisjoint(forms.short):
                return False
            if (forms.coarse or forms.skeletons) and any(
                trace for word in _tokens(folded) for *_, trace in _in_token(forms, word, 0)
            ):
                return False
        return True

    def in_text(self, value: str) -> Trace:
        """Find what a short text tells: a code, or words in capitals."""
        return worst(trace for _, _, trace in self._finds(fold(value)))

    def mentions(self, text: str) -> list[Mention]:
        """The places in a text that tell who the patient is, in order; they may overlap."""
        folded, places = folded_with_places(text)
        found = {Mention(places[start], places[end - 1] + 1, trace) for start, end, trace in self._finds(folded)}
        return sorted(found, key=lambda mention: (mention.start, mention.end))

    def in_number(self, value: int | float | Decimal) -> Trace:
        """Find what a number tells, as a whole, or by all its digits if it has many."""
        return worst(forms.values.get(abs(float(value)), Trace.NONE) for forms in self._forms())

    def is_nowhere_in_values(self, values: Collection[float]) -> bool:
        """Tell whether none of many numbers tells anything."""
        return all(forms.values.keys().isdisjoint(map(abs, values)) for forms in self._forms())

    def in_numbers(self, data: bytes, kind: str) -> Trace:
        """Find what binary numbers tell (`kind` is a type of NumPy's): by their bytes, as characters, or by value."""
        if len(data) < LETTERS_MIN and kind in _INTEGERS:  # one number of two bytes: no more than itself
            return (
                self.in_number(int.from_bytes(data, "little", signed=kind == "<i2")) if len(data) == 2 else Trace.NONE
            )
        numbers = np.frombuffer(data, kind)
        found = worst(self._in_bytes(view) for view in _views(data, numbers))
        values = numbers.tolist() if 0 < numbers.size <= FEW_NUMBERS and numbers.itemsize > 1 else []
        return max([found, *(self.in_number(value) for value in values)])

    def is_nowhere_in_numbers(self, values: Sequence[tuple[str, bytes]]) -> bool:
        """Tell whether none of many binary values tells anything: a quick look, as `in_numbers` looks at each.

        They are given with the types of their numbers.
        """
        by_kind: defaultdict[str, list[bytes]] = defaultdict(list)
        for kind, data in values:
            by_kind[kind].append(data)
            if _may_be_spelled(data, kind) and self.in_numbers(data, kind):
                return False
        counted: list[float] = []
        looks: list[bytes] = []
        for kind, parts in by_kind.items():
            numbers = np.frombuffer(b"".join(parts), kind)
            few = [part for part in parts if len(part) <= FEW_NUMBERS * numbers.itemsize]
            counted += np.frombuffer(b"".join(few), kind).tolist() if numbers.itemsize > 1 else []
            looks += _views(b"".join(parts), numbers)
        together = b"\0".join(looks).lower()
        return self.is_nowhere_in_values(counted) and not any(
            word in together for forms in self._forms() for word in forms.in_bytes
        )

    def numbers(self, digits_min: int) -> frozenset[str]:
        """List the numbers of so many digits that are looked for."""
        return frozenset(digits for forms in self._forms() for digits in forms.numbers if len(digits) >= digits_min)

    def words(self) -> frozenset[bytes]:
        """List what may be looked for in bytes of any kind, in lower case."""
        return frozenset(word for forms in self._forms() for word in forms.in_bytes)

    def _in_bytes(self, view: bytes) -> Trace:
        data = view.lower().strip(b" \0")
        shortest = LETTERS_MIN if len(data) <= SHORT_BYTES_MAX else BYTES_MIN
        for forms in self._forms():
            if any(word in data for word in forms.in_bytes if len(word) >= shortest):
                return Trace.CERTAIN
        spelled = _SPELLED_IN_ONE if len(view) <= NUMBER_BYTES_MAX else _SPELLED
        return self.in_text(data.decode("ascii")) if spelled.fullmatch(data) else Trace.NONE

    def _finds(self, folded: str) -> Iterator[_Find]:
        """What a folded text tells, and where."""
        tokens = [(token[0], token.start()) for token in _TOKEN.finditer(folded)]
        for forms in self._forms():
            for word, start in tokens:
                if word not in HARMLESS:
                    yield from _in_token(forms, word, start)
            yield from _in_digits(forms, folded)
            yield from _glued(forms, tokens)
            for word in forms.whole:
                for at in occurrences(word, folded):
                    yield at, at + len(word), Trace.CERTAIN


def worst(traces: Iterable[Trace]) -> Trace:
    """The worst of some."""
    return max(traces, default=Trace.NONE)


def _tokens(folded: str) -> set[str]:
    return {*_TOKEN.findall(folded), *_LETTERS.findall(folded)}


def _runs(folded: str) -> set[str]:
    """Runs of digits, also those between which separators stand, without leading zeros, and without a check digit."""
    runs = set(_DIGITS.findall(folded))
    runs |= {"".join(filter(str.isdigit, run)) for run in _SEPARATED.findall(folded)}
    runs |= {run.lstrip("0") for run in runs}
    return runs | {run[:-1] for run in runs if len(run) > PART_DIGITS_MIN}


def _in_token(forms: Forms, word: str, start: int) -> Iterator[_Find]:
    """A word by itself, beside digits, with digits for letters, or put into Latin letters in another way."""
    end = start + len(word)
    if trace := forms.exact.get(word):
        yield start, end, trace
    if not word.isalpha() and not word.isdigit():
        for run in _LETTERS.finditer(word):
            if len(run[0]) > 2 and (trace := forms.exact.get(run[0])):
                yield start + run.start(), start + run.end(), trace
        for table in _LOOKALIKES:
            alike = word.translate(table)
            trace = forms.exact.get(alike) if len(alike) >= LETTERS_MIN else None
            if trace is Trace.CERTAIN or any(name in alike for name in forms.inside):
                yield start, end, Trace.POSSIBLE
    elif len(word) >= LETTERS_MIN and word.isalpha():
        if forms.coarse and coarse(word) in forms.coarse:
            yield start, end, Trace.POSSIBLE
        if forms.skeletons and skeleton(word) in forms.skeletons:
            yield start, end, Trace.POSSIBLE


def _glued(forms: Forms, tokens: list[tuple[str, int]]) -> Iterator[_Find]:
    """Long words inside others, over several, and in spaced letters."""
    if len(tokens) == 1 and tokens[0][0] in HARMLESS:
        return
    together = "".join(word for word, _ in tokens)
    places = [start + step for word, start in tokens for step in range(len(word))]
    for name in forms.inside:
        at = together.find(name)
        while at >= 0:
            yield places[at], places[at + len(name) - 1] + 1, Trace.CERTAIN
            at = together.find(name, at + 1)
    if len(tokens) > 1:
        alike = [together.translate(table) for table in _LOOKALIKES]
        whole = max(forms.exact.get(word, Trace.NONE) for word in (together, *alike))
        if whole or any(name in word for name in forms.inside for word in alike if name not in together):
            yield places[0], places[-1] + 1, whole or Trace.POSSIBLE
    for (first, start), (second, at) in pairwise(tokens):
        if forms.exact.get(first + second) is Trace.CERTAIN and not (first in forms.exact or second in forms.exact):
            yield start, at + len(second), Trace.CERTAIN


def _in_digits(forms: Forms, folded: str) -> Iterator[_Find]:
    """Runs of digits, with or without separators, a check digit more, or a day at either end."""
    if not forms.numbers:
        return
    for run in _DIGITS.finditer(folded):
        if trace := _in_run(forms, run[0]):
            yield run.start(), run.end(), trace
    for run in _SEPARATED.finditer(folded):
        if trace := _in_run(forms, "".join(filter(str.isdigit, run[0]))):
            yield run.start(), run.end(), trace


def _in_run(forms: Forms, digits: str) -> Trace:
    found = max(forms.numbers.get(run, Trace.NONE) for run in (digits, digits.lstrip("0")))
    if found or len(digits) <= PART_DIGITS_MIN:
        return found
    is_longer = digits[:-1] in forms.numbers or _ends_in([digits], forms.days)
    return Trace.POSSIBLE if is_longer else Trace.NONE


def _ends_in(runs: Iterable[str], days: frozenset[str]) -> bool:
    """Tell whether a run of more than eight digits begins or ends with a day."""
    return bool(days) and any(len(run) > 8 and (run[:8] in days or run[-8:] in days) for run in runs)


def _may_be_spelled(data: bytes, kind: str) -> bool:
    """Tell whether a short value of binary numbers may be text, a character a byte or a number."""
    if len(data) > FEW_NUMBERS * 8 or len(data) < 3:
        return False
    if _SPELLED.fullmatch(data.replace(b"\0", b"")):
        return True
    return (
        "f" in kind and len(data) % int(kind[2:]) == 0 and all(31 < value < 127 for value in np.frombuffer(data, kind))
    )


def _views(data: bytes, numbers: npt.NDArray[Any]) -> Iterator[bytes]:
    """Bytes as they are, with the bytes of each word swapped, and one character a number."""
    yield data
    if len(data) % 2 == 0:
        yield np.frombuffer(data, "<u2").byteswap().tobytes()
    if numbers.itemsize > 1 and numbers.size:
        with np.errstate(invalid="ignore"):
            whole = np.where((numbers >= 0) & (numbers < 256), numbers, 0)
        yield whole.astype(np.uint8).tobytes()
