"""The identity of an item's patient, as the item itself tells it, and the search for values that tell it again.

Long words and numbers are looked for inside values. Short ones would be met by chance there: they are compared with
whole words and runs of digits, numbers with whole numbers, and what is met may be a coincidence that a person can see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import IntEnum
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

LETTERS_MIN, DIGITS_MIN = 4, 6
"""A word or number of at least so many characters that is met by itself is no coincidence."""
INSIDE_LETTERS_MIN = 6
"""Words of so many letters are looked for inside others too: `anna` is not found inside `savannah`."""
BYTES_MIN = 6
"""Shorter words would be met by chance in long values of bytes."""
SHORT_LETTERS_MIN, SHORT_DIGITS_MIN = 2, 4
"""What is shorter still tells nobody from others."""
NUMBER_DIGITS_MIN = 5
"""Numbers of fewer digits are met by chance among measurements: 512 rows, 1024 columns."""
SHORT_BYTES_MAX = 4096
FEW_NUMBERS = 64

_HARMLESS = frozenset(
    b"ABDOMEN ANKLE ARM AXIAL BRAIN BREAST CHEST ELBOW FOOT HAND HEAD HEART KNEE LEFT LIVER NECK ORIGINAL PELVIS "
    b"PRIMARY RIGHT SKULL SPINE WRIST "
    b"ALL ANY AP AR AS AU AXI BW CC CG CM COR CR CT DS DX EC ECG EP ES FC FFE FFP FFS FIX FP FS GE GR HFP HFS HI HO HU "
    b"IP IR IS LAT LIN LL LO LOC LOG LR MAG MAX MG MIN ML MLO MM MPR MR MSK MTC NEW NM NO NOT OD OFF OFM ON OP OSP OT "
    b"PA PC PCT PER PET PFF PFP PHA PPG PT PX RAW REC RF RG RGB RL RM RR SAG SC SE SK SP SPI SR SS SUM SUV TOF TRA US "
    b"VAR VOL XA XC YES".lower().split()
)
"""Names that are also defined terms of elements that stay."""
_INTEGERS = ("<u2", "<i2")
_WORD = re.compile(rb"[^\s^=\\,.\x00]+")
_TOKEN, _DIGITS = re.compile(rb"[a-z0-9]+"), re.compile(rb"\d+")
_BETWEEN_TOKENS = bytes(set(range(256)) - {*b"abcdefghijklmnopqrstuvwxyz0123456789"})
_SPELLED = re.compile(rb"[ -~]{3,64}")


class Trace(IntEnum):
    """A trace of the patient in a value."""

    NONE = 0
    POSSIBLE = 1
    """A short word or number that is also the patient's: maybe by chance."""
    CERTAIN = 2


class Identity:
    """The names and numbers of one patient, and of others that an item names."""

    def __init__(self, digits_min: int = SHORT_DIGITS_MIN) -> None:
        """`digits_min` is how short a number may be: in some data shorter ones are met by chance in many codes."""
        self._digits_min = digits_min
        self._words: set[bytes] = set()
        self._numbers: set[bytes] = set()
        self._short: set[bytes] = set()
        self._joined: set[bytes] = set()

    @property
    def long_words(self) -> frozenset[bytes]:
        """List what may be looked for in any bytes, in lower case."""
        return frozenset(word for word in self._words | self._joined if len(word) >= BYTES_MIN)

    def include(self, other: Identity) -> None:
        """Remember all that another one remembers."""
        self._words |= other._words
        self._numbers |= other._numbers
        self._short |= other._short
        self._joined |= other._joined

    def add_name(self, name: bytes, *, own: bool) -> None:
        """Remember a name; of the patient's `own` also its short parts, and the parts together."""
        for script in name.lower().split(b"="):
            for part in _WORD.findall(script):
                self._add(part, short=own)
            if own:
                self._add_joined([b"".join(_TOKEN.findall(part)) for part in re.split(rb"[\^,]", script)[:2]])
                self._add_joined(_TOKEN.findall(script)[:2])

    def add_number(self, value: bytes, *, own: bool) -> None:
        """Remember an identifier as a whole; of the patient's `own` also the numbers in it, and its digits alone."""
        word = value.strip(b" \0").lower()
        self._add(word, short=own)
        if own:
            for run in (*_DIGITS.findall(word), b"".join(_DIGITS.findall(word))):
                self._add_run(run)
                self._add_run(run.lstrip(b"0"))

    def add_day(self, value: bytes) -> None:
        """Remember a date of birth (`19670318`, `1967-03-18`) in all ways in which dates are written."""
        digits = b"".join(_DIGITS.findall(value))[:8]
        if len(digits) == 8:
            year, month, day = digits[:4], digits[4:6], digits[6:]
            for parts in ((year, month, day), (day, month, year), (month, day, year)):
                self._words |= {mark.join(parts) for mark in (b"", b"-", b".", b"/")}

    def is_nowhere_in(self, text: bytes) -> bool:
        """Tell whether none of many values, one a line, tells anything: a quick look before a look at each."""
        folded = text.lower()
        if any(word in folded for word in chain(self._words, self._short, self._numbers)):  # seldom, and maybe a part
            found = {*_TOKEN.findall(folded), *_DIGITS.findall(folded)}
            if found & self._words or found & self._short or found & self._numbers or self.is_whole_in(folded):
                return False
        together = folded.translate(None, _BETWEEN_TOKENS) if self._joined else b""
        return not any(word in together for word in self._joined)

    def in_text(self, value: bytes) -> Trace:
        """Find what a short text tells: a code, or words in capitals."""
        text = value.lower()
        tokens, runs = set(_TOKEN.findall(text)), set(_DIGITS.findall(text))
        together = b"".join(_TOKEN.findall(text))
        if self.is_whole_in(text) or runs & self._numbers or {*tokens, together} & self._joined:
            return Trace.CERTAIN
        return Trace.POSSIBLE if (tokens | runs) & self._short else Trace.NONE

    def is_whole_in(self, text: bytes) -> bool:
        """Tell whether a word or a whole identifier is in a text in lower case; a part of a number does not count."""
        return any(_occurs(word, text) for word in self._words)

    def in_number(self, value: int | float | Decimal) -> Trace:
        """Find what a number tells, as a whole."""
        if value != value or value in (float("inf"), float("-inf")) or value != int(value):
            return Trace.NONE
        digits = str(abs(int(value))).encode()
        if digits in self._words or digits in self._numbers:
            return Trace.CERTAIN
        return Trace.POSSIBLE if len(digits) >= NUMBER_DIGITS_MIN and digits in self._short else Trace.NONE

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

    def _in_bytes(self, view: bytes) -> Trace:
        data = view.lower().strip(b" \0")
        words = self._words | self._numbers | self._joined if len(data) <= SHORT_BYTES_MAX else self.long_words
        if any(word in data for word in words):
            return Trace.CERTAIN
        return self.in_text(data) if _SPELLED.fullmatch(data) else Trace.NONE

    def _add(self, word: bytes, *, short: bool) -> None:
        number = word.isdigit()
        if word in _HARMLESS:
            return
        if len(word) >= (DIGITS_MIN if number else LETTERS_MIN):
            self._words.add(word)
        elif short and len(word) >= (self._digits_min if number else SHORT_LETTERS_MIN):
            self._short.add(word)

    def _add_run(self, run: bytes) -> None:
        if len(run) >= self._digits_min:
            (self._numbers if len(run) >= DIGITS_MIN else self._short).add(run)

    def _add_joined(self, parts: list[bytes]) -> None:
        """Two parts of a name in both orders: `KIM SU` is nobody's defined term although `SU` might be."""
        if len(parts) == 2 and all(parts):
            self._joined |= {word for word in (parts[0] + parts[1], parts[1] + parts[0]) if len(word) >= LETTERS_MIN}


def worst(traces: Iterable[Trace]) -> Trace:
    """The worst of some."""
    return max(traces, default=Trace.NONE)


def _occurs(word: bytes, text: bytes) -> bool:
    """Tell whether a word occurs; a short one or a number by itself."""
    if len(word) >= INSIDE_LETTERS_MIN and not word.isdigit():
        return word in text
    start = text.find(word)
    while start >= 0:
        if not _TOKEN.search(text[max(start - 1, 0) : start] + text[start + len(word) : start + len(word) + 1]):
            return True
        start = text.find(word, start + 1)
    return False


def _views(data: bytes, numbers: npt.NDArray[Any]) -> Iterator[bytes]:
    """Bytes as they are, with the bytes of each word swapped, and one character a number."""
    yield data
    if len(data) % 2 == 0:
        yield np.frombuffer(data, "<u2").byteswap().tobytes()
    if numbers.itemsize > 1 and numbers.size:
        with np.errstate(invalid="ignore"):
            whole = np.where((numbers >= 0) & (numbers < 256), numbers, 0)
        yield whole.astype(np.uint8).tobytes()
