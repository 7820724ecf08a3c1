"""Check digits of public codes: a number that was put in the place of a code has the right one one time in ten."""

from __future__ import annotations

import re

_SHORT_CONCEPT = re.compile(r"(?:1\d{9}|[1-9]\d{5,8})", re.ASCII)
_LONG_CONCEPT = re.compile(r"[1-9]\d{0,7}1000\d{3}10\d", re.ASCII)
"""An item, a namespace (those that were given out begin with 1000), the partition and the check digit."""
_LOINC = re.compile(r"(L[AP])?(\d{1,6})-(\d)", re.ASCII)
_PZN = re.compile(r"\d{6,8}", re.ASCII)
_UNII = re.compile(r"[0-9A-Z]{10}", re.ASCII)
_CAS = re.compile(r"([1-9]\d{1,6})-(\d\d)-(\d)", re.ASCII)
_PREFIXES = {"": (0, 0), "LA": (5, 2), "LP": (2, 7)}
"""What the letters of an answer or part code add to its check digit, before an even and an odd number of digits."""

# The dihedral group D5 and the powers of Verhoeff's permutation (J. Verhoeff, Error detecting decimal codes, 1969).
_PRODUCT = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_POWERS = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def is_sctid(code: str) -> bool:
    """Tell whether a number is built as a SNOMED CT concept's identifier: its partition, and Verhoeff's check digit."""
    is_short = _SHORT_CONCEPT.fullmatch(code) is not None and code[-3:-1] == "00"
    return (is_short or _LONG_CONCEPT.fullmatch(code) is not None) and _verhoeff(code) == "0"


def is_loinc(code: str) -> bool:
    """Tell whether a code is built as one of LOINC (2345-7), of its answers (LA33-6) or parts (LP14635-4)."""
    found = _LOINC.fullmatch(code)
    if found is None:
        return False
    prefix, digits, check = found[1] or "", found[2], int(found[3])
    return check == (_luhn(digits) + _PREFIXES[prefix][len(digits) % 2]) % 10


def is_pzn(code: str) -> bool:
    """Tell whether a number is a German PZN: eight digits, of which those that are 0 may be left out in front."""
    if not _PZN.fullmatch(code):
        return False
    digits = code.zfill(8)
    return sum(place * int(digit) for place, digit in enumerate(digits[:7], 1)) % 11 == int(digits[7])


def is_unii(code: str) -> bool:
    """Tell whether a code is built as a Unique Ingredient Identifier of the FDA."""
    return _UNII.fullmatch(code) is not None and sum(int(digit, 36) for digit in code[:9]) % 36 == int(code[9], 36)


def is_cas(code: str) -> bool:
    """Tell whether a number is built as a CAS Registry Number (50-00-0)."""
    found = _CAS.fullmatch(code)
    if found is None:
        return False
    return sum(place * int(digit) for place, digit in enumerate(reversed(found[1] + found[2]), 1)) % 10 == int(found[3])


def _verhoeff(digits: str) -> str:
    """0 for digits whose last one is the right check digit."""
    check = "0"
    for place, digit in enumerate(reversed(digits)):
        check = _PRODUCT[int(check)][int(_POWERS[place % 8][int(digit)])]
    return check


def _luhn(digits: str) -> int:
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits)))
    return -sum(value // 10 + value % 10 for value in doubled) % 10
