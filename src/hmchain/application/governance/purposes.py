"""Purposes and diseases in words: terms of DUO and of Mondo, which the ledger knows by their codes."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

from hmchain.ledger import purposes

NAMES = Path(__file__).parent / "tables" / "mondo.bin"
UNKNOWN = "a code that this version does not know"
FOUND_MAX = 40
PURPOSES = {
    "general-research": "DUO:0000042",
    "health-research": "DUO:0000006",
    "disease-research": "DUO:0000007",
    "ancestry-research": "DUO:0000011",
    "clinical-care": "DUO:0000043",
}
"""Words that may stand for a purpose's code."""


@cache
def terms() -> dict[str, str]:
    """DUO's terms by code, in order of code."""
    return {code: term.name for code, term in purposes.terms().items()}


@cache
def diseases() -> dict[str, str]:
    """Mondo's diseases by code, in order of code."""
    names = zlib.decompress(NAMES.read_bytes()).decode().split("\n")
    return dict(zip(purposes.diseases(), names, strict=True))


def purpose_words(code: str) -> str:
    """A purpose with its name, for people."""
    return f"{code}, {terms().get(code, UNKNOWN)}"


def disease_words(code: str) -> str:
    """A disease with its name, for people."""
    return f"{code}, {diseases().get(code, UNKNOWN)}"


def found_by_word(word: str) -> dict[str, str]:
    """Names by code of all terms and diseases whose name, or short name, has the word; those that begin so first."""
    short = {code: term.short for code, term in purposes.terms().items()}
    named = {code: f"{name} ({short[code]})" if short[code] else name for code, name in terms().items()} | diseases()
    wanted = word.lower()
    fitting = [(not name.lower().startswith(wanted), len(name), code) for code, name in named.items()
               if wanted in name.lower()]  # fmt: skip
    return {code: named[code] for _, _, code in sorted(fitting)[:FOUND_MAX]}
