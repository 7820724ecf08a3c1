"""Defined terms of coded elements (PS3.3): a value that is one of its element's is nobody's name.

The table is the standard's, made by `scripts/dicom_terms.py`. Makers add words of their own (`NORM`, `MOSAIC`), which
tell nobody either where a coded value has nothing else.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import msgspec

from hmchain import decoding
from hmchain.records.deidentification.terms import TECHNIQUE

_WORD, _LETTERS = re.compile(r"[a-z0-9]+"), re.compile(r"[a-z]+")


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table as it ships: terms by the keywords of elements."""

    source: str
    terms: dict[str, str]


def is_term(keyword: str, vr: str, value: str) -> bool:
    """Tell whether a value is one of the terms of the element of this keyword, or made of makers' words alone."""
    text = value.strip()
    if text in _terms().get(keyword, ()):
        return True
    return vr == "CS" and all(word in TECHNIQUE for word in _WORD.findall(text.lower()))


def term_words() -> frozenset[str]:
    """The words of letters that terms of any element are made of."""
    return frozenset(
        word
        for terms in _terms().values()
        for term in terms
        for word in _LETTERS.findall(term.lower())
        if len(word) > 2
    )


@functools.cache
def _terms() -> dict[str, frozenset[str]]:
    table = decoding.from_json(Path(__file__).with_name("terms.json").read_bytes(), _Table)
    return {keyword: frozenset(terms.split(" | ")) for keyword, terms in table.terms.items()}
