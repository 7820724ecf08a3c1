"""Purposes and diseases in words: terms of DUO and of Mondo, which the ledger knows by their codes."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

from hmchain.ledger import purposes

NAMES = Path(__file__).parent / "tables" / "mondo.bin"
UNKNOWN = "a code that this version does not know"


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
