"""Words for the codes that the ledger and the services have: one place for all pages, a file a family."""

from __future__ import annotations

from collections.abc import Mapping

import htpy as h

from hmchain.interfaces.portal.texts import Later, of_later

Words = Mapping[str, Later]


def word(table: Words, code: str) -> str:
    """A code in words; one that is not known stands for itself."""
    found = table.get(code)
    return of_later(found) if found else code


def choices(table: Words, codes: Mapping[str, object] | tuple[str, ...] | None = None) -> dict[str, str]:
    """Codes with their words, to choose from: all of a table, or those that are named."""
    return {code: word(table, code) for code in (table if codes is None else codes)}


def worded(table: Words, code: str) -> h.Node:
    """A code in words, with the code itself after them, small, for who looks it up."""
    found = word(table, code)
    return [found, h.small[h.code[code]]] if found != code else h.code[code]
