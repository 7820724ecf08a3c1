"""Purposes and diseases by their codes, and what each is a kind of: the ledger judges requests by it.

Purposes are terms of the GA4GH Data Use Ontology (DUO), diseases those of Mondo. Both tables are part of the protocol:
another one would judge otherwise, so their digests are fixed here (`tables/README.md` says where they come from). They
ship with the program and are read once, before the first answer; nothing of them depends on the machine.
"""

from __future__ import annotations

import zlib
from functools import cache, lru_cache
from importlib import resources

import msgspec

from hmchain import decoding
from hmchain.canonical import digest
from hmchain.errors import LedgerError

DUO, MONDO = "DUO", "MONDO"
DUO_DIGEST = bytes.fromhex("1a28d56ca59b6fa45d2cd81bac1944d27aad63b67fa1d260bdd5dea5ae0302bc")
MONDO_DIGEST = bytes.fromhex("cb88e245fca7ea301b19e5f4286ff71f910472454a6a3fe67a844ebb2571e9a1")

PERMISSION, MODIFIER = "DUO:0000001", "DUO:0000017"
"""The two roots: what data may be used for, and under which conditions."""
DISEASE_SPECIFIC = "DUO:0000007"
CLINICAL_CARE = "DUO:0000043"
"""A modifier that permits: care is no research, so no permission covers it."""
NONE = "none"

Case = tuple[str, str]
"""A purpose and a disease that are judged together; `NONE` where there is none."""


class TableError(LedgerError):
    """A table of codes that ships with this program is not the one that the protocol names."""

    code = "code_table"


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A term of DUO."""

    short: str
    name: str
    parents: tuple[str, ...]

    @property
    def is_modifier(self) -> bool:
        """Whether it is a condition beside a permission."""
        return MODIFIER in self.parents or any(of in terms() and terms()[of].is_modifier for of in self.parents)


class _Duo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    terms: dict[str, Term]


@cache
def terms() -> dict[str, Term]:
    """The terms of DUO by code, in order. Raises `TableError`."""
    return decoding.from_toml(_shipped("duo.toml", DUO_DIGEST), _Duo).terms


@cache
def diseases() -> dict[str, tuple[str, ...]]:
    """The diseases of Mondo by code, in order, each with its parents. Raises `TableError`.

    A packed row is the distance of its number to the one before, how many parents it has, and their places.
    """
    packed = zlib.decompress(_shipped("mondo.bin", MONDO_DIGEST))
    values = iter(_numbers(packed))
    number, rows = 0, []
    for step in values:
        number += step
        rows.append((f"{MONDO}:{number:07}", [next(values) for _ in range(next(values))]))
    codes = [code for code, _ in rows]
    return {code: tuple(codes[place] for place in places) for code, places in rows}


def _numbers(packed: bytes) -> list[int]:
    """Integers of seven bits a byte, the lowest first; the eighth bit says that more follow (LEB128)."""
    found, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(value)
            value = shift = 0
    return found


def _shipped(name: str, known: bytes) -> bytes:
    data = resources.files("hmchain.ledger").joinpath("tables", name).read_bytes()
    if digest("hmchain table", data) != known:
        raise TableError(f"{name} is not the table of this protocol", "install this version of hmchain anew")
    return data


def is_purpose(code: str) -> bool:
    """Whether `code` is a term of DUO, and none of its two roots."""
    return code in terms() and code not in (PERMISSION, MODIFIER)


def is_disease(code: str) -> bool:
    """Whether `code` is a disease of Mondo, as of the protocol's release."""
    return code in diseases()


@lru_cache(4096)
def ancestors(code: str) -> tuple[str, ...]:
    """All that a purpose or disease is a kind of, in order, without itself; nothing for a code that is unknown."""
    found: set[str] = set()
    left = [code]
    while left:
        above = _parents(left.pop())
        left += [each for each in above if each not in found]
        found.update(above)
    return tuple(sorted(found))


def _parents(code: str) -> tuple[str, ...]:
    if code.startswith(f"{MONDO}:"):
        return diseases().get(code, ())
    term = terms().get(code)
    return term.parents if term else ()


def is_use(code: str) -> bool:
    """Whether a purpose says what data are used for, and not under which conditions."""
    return code == CLINICAL_CARE or PERMISSION in ancestors(code)


def cases(asked_purposes: tuple[str, ...], asked_diseases: tuple[str, ...]) -> tuple[Case, ...]:
    """What is judged one by one of a request: each use that is asked for, of research on diseases each disease.

    A request is for all that it names, so each must be permitted.
    """
    found: list[Case] = []
    for code in sorted(set(asked_purposes)):
        if code == DISEASE_SPECIFIC:
            found += [(code, disease) for disease in sorted(set(asked_diseases)) or [NONE]]
        elif is_use(code):
            found.append((code, NONE))
    return tuple(found) or ((NONE, NONE),)
