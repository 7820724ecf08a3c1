"""Texts of devices and coded values, word by word: makers, models, versions, kernels, coils and sequences.

A bare name is a text like any other: no form tells WEBER from ADORA. So a word of letters stays if makers, the standard
or descriptions have it (`rules/devices.toml`) or the hospital says that its own devices have it; two letters, and three
beside a long number, are an abbreviation. What names a machine and is not made of such words gives way to a pseudonym,
so that what one machine made still goes together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from hmchain import decoding
from hmchain.records.deidentification.dicom.descriptors import Token, fold, forms_of, joined, shipped
from hmchain.records.deidentification.dicom.telling import CAMEL
from hmchain.records.deidentification.dicom.terms import term_words
from hmchain.records.deidentification.terminology import RULES
from hmchain.records.deidentification.terms import TECHNIQUE

SHORT_LETTERS_MAX, SHORT_SUM_MAX = 2, 4
"""An abbreviation has no more letters, and those of one word together no more, if digits stand among them."""
SERIAL_LETTERS_MAX, SERIAL_DIGITS_MIN = 3, 5
TERM_LETTERS_MAX, TERM_DIGITS_MAX = 3, 6
"""So many letters of a coded value may be no known words, and so many digits may stand together in it."""
TEXTS_MAX = 4096

_WORD, _LETTERS = re.compile(r"[^\W_]+"), re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+", re.ASCII)
_TITLED = re.compile(r"(?:DR|FRAU|HERR|MISS|MRS|PROF)[ _.]")


class Devices:
    """What texts of devices are made of."""

    def __init__(self, own: Iterable[str] = ()) -> None:
        """`own` are the hospital's words beside those that ship."""
        self._words = _shipped() | {form for text in own for word in _WORD.findall(text) for form in forms_of(word)}
        self._coded = self._words | term_words()
        self._texts: dict[str, str] = {}
        self._terms: dict[str, bool] = {}

    def known(self, text: str) -> str:
        """What of a text may stay: its known words in their order; nothing if it has no more than loose letters."""
        if text not in self._texts:
            if len(self._texts) > TEXTS_MAX:
                self._texts.clear()
            self._texts[text] = self._left(text)
        return self._texts[text]

    def is_term(self, value: str) -> bool:
        """Tell whether a coded value is made of known words and abbreviations alone."""
        if value not in self._terms:
            if len(self._terms) > TEXTS_MAX:
                self._terms.clear()
            self._terms[value] = self._is_made_of_words(value)
        return self._terms[value]

    def _is_made_of_words(self, value: str) -> bool:
        unknown = [word for word in _WORD.findall(value) if fold(word) not in self._coded]
        letters = [len(run) for word in unknown for run in _LETTERS.findall(word) if fold(run) not in self._coded]
        digits = max((len(run) for word in unknown for run in _DIGITS.findall(word)), default=0)
        short = max(letters, default=0) <= SHORT_LETTERS_MAX and sum(letters) <= TERM_LETTERS_MAX
        return short and digits <= TERM_DIGITS_MAX and not _TITLED.match(value)

    def _left(self, text: str) -> str:
        words = list(_WORD.finditer(text))
        kept = [Token(*word.span()) for word in words if self._is_of_device(word[0])]
        left = [text[token.start : token.end] for token in kept]
        whole = len(kept) == len(words) and (len(text.strip()) == 1 or _DIGITS.search(text))
        return joined(text, kept) if whole or any(map(self._says, left)) else ""

    def _says(self, word: str) -> bool:
        """Tell whether a word is more than loose letters and numbers, which may be what is left of a name."""
        known = (fold(run) in self._words for run in _LETTERS.findall(word) if len(run) > 1)
        return any(known) or (len(word) > SHORT_LETTERS_MAX and not word.isdigit())

    def _is_of_device(self, word: str) -> bool:
        if fold(word) in self._words:
            return True
        digits = sum(map(str.isdigit, word))
        short = SERIAL_LETTERS_MAX if digits >= SERIAL_DIGITS_MIN else SHORT_LETTERS_MAX
        unknown = [len(piece) for piece in self._unknown(word)]
        return max(unknown, default=0) <= short and sum(unknown) <= (SHORT_SUM_MAX if digits else SHORT_LETTERS_MAX)

    def _unknown(self, word: str) -> Iterator[str]:
        """The parts of a word, as large and small letters and digits divide it, that are not known."""
        for run in _LETTERS.findall(word):
            if fold(run) in self._words:
                continue
            yield from (part for part in CAMEL.findall(run) if fold(part) not in self._words)


@cache
def _shipped() -> frozenset[str]:
    """The words of devices that ship with the package, and those of descriptions."""
    groups = decoding.from_toml((RULES / "devices.toml").read_bytes(), dict[str, str])
    return frozenset(word for text in groups.values() for word in text.split()) | shipped() | TECHNIQUE
