"""Private elements that stay: PS3.15's table of safe ones, our own of what images need, and a hospital's.

An entry says which element of which private creator, and its VR, which stands in for one that a file does not say. What
stays are numbers, codes, UIDs under new names, sequences of such, and texts of a form that the table gives. Bytes
without a known structure (OB, OW) stay in none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal

import msgspec
from pydicom.datadict import private_dictionary_VR

from hmchain import decoding
from hmchain.records.deidentification.dicom.packed import REPACKED
from hmchain.records.deidentification.dicom.rules import (
    DESCRIBING_VRS,
    FORMS,
    NUMBER_VRS,
    PRINTABLE,
    Rule,
    Treatment,
    values_max,
)
from hmchain.records.deidentification.profile import DicomRules
from hmchain.records.deidentification.terminology import RULES

_FORMS: Mapping[str, re.Pattern[str]] = {
    **FORMS,
    "DS": re.compile(r" *[-+]?\d{0,8}(\.\d{0,14})?([eE][-+]?\d{1,3})? *"),
}
"""A private decimal has no more digits before its point than a whole number: ten could be a telephone number's."""
_CLOSER = {
    ("SIEMENS MR HEADER", 0x0019000C): re.compile(r" *(?:100000|\d{1,5}) *"),  # a b-value
    ("SIEMENS MR HEADER", 0x0019000D): re.compile(r"(?:DIRECTIONAL|ISOTROPIC|NONE|BMATRIX)? *"),
}
"""Forms of elements of PS3.15's table, which gives none: a number of eight digits is a date as well."""
_NUMBERS_ONLY = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "UL", "US"})

GROUPS, FIRST_PRIVATE = frozenset({0x0019, 0x0021, 0x2001, 0x2005}), 0x1000
"""Groups of private elements that a dimension of many frames may be of, and the first element number in any block."""

Key = tuple[str, int]
"""A private creator, and a tag without the number of its block."""


class _Elements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Elements of one private creator and group."""

    creator: str
    group: int
    hold: str
    """Entries such as `0E FD 3`: the last two digits of the element number, VR, multiplicity."""
    reason: str = ""
    forms: dict[str, str] = {}
    """The form of a text, by its digits."""
    repacked: dict[str, Literal["siemens_csa", "siemens_protocol", "ge_protocol", "ge_user", "ge_b_value"]] = {}
    """How bytes are written anew, by their digits."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    elements: tuple[_Elements, ...]


class PrivateRules:
    """The private elements that a profile keeps."""

    def __init__(self, rules: DicomRules) -> None:
        self._rules: dict[Key, Rule] = {}
        for table in rules.private:
            self._rules |= shipped(table)
        own = {(entry.creator, entry.group << 16 | entry.element) for entry in rules.safe_private}
        self._own = frozenset(own)

    def rule(self, tag: int, creator: str, vr: str) -> Rule | None:
        """The rule for a private element of a creator; None if it goes. `vr` is what the file says, if it says one."""
        key = (creator, tag & 0xFFFF00FF)
        if key in self._rules:
            return self._rules[key]
        return _rule(key, vr, "1-n") if key in self._own and vr in _NUMBERS_ONLY else None


def private_vr(tag: int, creator: str) -> str:
    """The VR of a private element that pydicom knows, for objects that do not say their VRs."""
    try:
        return private_dictionary_VR(tag, creator)
    except KeyError:
        return ""


@cache
def shipped(table: str) -> Mapping[Key, Rule]:
    """The rules of a table that ships with the package, `standard` or `acquisition`."""
    decoded = decoding.from_toml((RULES / f"private_{table}.toml").read_bytes(), _Table)
    return dict(_rules(decoded))


def _rules(table: _Table) -> Iterator[tuple[Key, Rule]]:
    for elements in table.elements:
        for entry in elements.hold.replace("\n", " ").split(","):
            digits, vr, *multiplicity = entry.split()
            key = (elements.creator, elements.group << 16 | int(digits, 16))
            rule = _rule(
                key,
                vr,
                multiplicity[0] if multiplicity else "1",
                form=elements.forms.get(digits, ""),
                repacked=elements.repacked.get(digits, ""),
            )
            if rule is not None:
                yield key, rule


def _rule(key: Key, vr: str, multiplicity: str, *, form: str = "", repacked: str = "") -> Rule | None:
    """The rule for an entry; None if nothing of its VR can be kept."""
    creator, tag = key
    name = f"({tag >> 16:04X},xx{tag & 0xFF:02X}) {creator}"
    if repacked:
        return Rule(name, Treatment.REPACKED, vr, option=True, repack=REPACKED[repacked])
    treatment = _treatment(vr, form)
    if treatment is None:
        return None
    pattern = re.compile(form, re.ASCII) if form else _CLOSER.get(key) or _FORMS.get(vr, PRINTABLE)
    return Rule(name, treatment, vr, pattern, option=True, values_max=values_max(multiplicity))


def _treatment(vr: str, form: str) -> Treatment | None:
    if vr == "SQ":
        return Treatment.INSIDE
    if vr == "UI":
        return Treatment.UIDS
    if vr in NUMBER_VRS:
        return Treatment.BYTES
    if form or vr in ("CS", "DS", "IS"):
        return Treatment.TEXT
    return Treatment.WORDS if vr in DESCRIBING_VRS else None
