"""Purposes in words: the terms of the GA4GH Data Use Ontology, which the ledger knows by their codes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from hmchain import decoding

TABLE = Path(__file__).parent / "tables" / "duo.toml"
UNKNOWN = "a code that this version does not know"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    terms: dict[str, str]


@cache
def terms() -> dict[str, str]:
    """The ontology's terms by code, in order of code."""
    return decoding.from_toml(TABLE.read_bytes(), _Table).terms


def purpose_words(code: str) -> str:
    """A purpose with its name, for people."""
    return f"{code}, {terms().get(code, UNKNOWN)}"
