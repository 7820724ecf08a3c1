"""Coded entries (PS3.3 8.8): a code of a published scheme stays, and means what its scheme says.

The meaning that came with it is free text which somebody typed or configured. It stays where it is one that the scheme
has for the code (`code_meanings.tsv.gz`, made by `scripts/dicom_meanings.py`), and gives way to the scheme's first
one otherwise; a code that is in no table means itself.
"""

from __future__ import annotations

import functools
import gzip
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from hmchain.records.deidentification.check_digits import is_loinc, is_sctid
from hmchain.records.deidentification.dicom import encoding
from hmchain.records.deidentification.dicom.dummies import GONE
from hmchain.records.deidentification.terminology import is_unit

CODE_VALUE, CODE_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
_LONG_CODE, _URN_CODE = 0x00080119, 0x00080120
_CODES = (CODE_VALUE, _LONG_CODE, _URN_CODE)

_FORMS = {
    "DCM": r"1[0-3]\d{4}",
    "SRT": r"[A-Z][0-9A-F]?-[0-9A-F]{3,6}",
    "SNM3": r"[A-Z][0-9A-F]?-[0-9A-F]{3,6}",
    "RADLEX": r"RP?ID\d{1,6}",
    "FMA": r"\d{1,6}",
    "UMLS": r"C\d{7}",
    "NCIt": r"C\d{3,6}",
    "MDC": r"(\d{1,3}:)?\d{1,6}",
    "ICD10": r"[A-Z]\d\d(\.\d{1,2})?",
    "I10": r"[A-Z]\d\d(\.\d{1,2})?",
    "I10P": r"[0-9A-HJ-NP-Z]{7}",
    "I9": r"[EV]?\d{2,3}(\.\d{1,2})?",
    "I9C": r"[EV]?\d{2,3}(\.\d{1,2})?",
    "SCPECG": r"5\.6\.3-9-\d{1,3}",
    "ACR": r"\d{1,4}(\.\d{1,4})?",
    "BI": r"[IV]{1,4}(\.[A-Z]{1,2})?(\.([a-z]|\d{1,2})){0,3}",
}
_CHECKS: Mapping[str, Callable[[str], object]] = {
    **{scheme: re.compile(form, re.ASCII).fullmatch for scheme, form in _FORMS.items()},
    "LN": is_loinc,
    "SCT": is_sctid,
    "UCUM": is_unit,
}
"""What the codes of a scheme look like: a name with a digit, or a telephone number, is none of them."""
_SAME = {"SNM3": "SRT"}
_LEADS: Mapping[str, str] = {
    f"5.6.3-9-{number}": name
    for number, name in {
        1: "Lead I (Einthoven)", 2: "Lead II", 3: "Lead V1", 4: "Lead V2", 5: "Lead V3", 6: "Lead V4", 7: "Lead V5",
        8: "Lead V6", 9: "Lead V7", 10: "Lead V2R", 11: "Lead V3R", 12: "Lead V4R", 13: "Lead V5R", 14: "Lead V6R",
        15: "Lead V7R", 61: "Lead III", 62: "Lead aVR", 63: "Lead aVL", 64: "Lead aVF", 66: "Lead V8", 67: "Lead V9",
    }.items()
}  # fmt: skip
"""The leads of an electrocardiogram (CID 3001)."""
GONE_SCHEME = "99HMCHAIN"
"""Whose code stands for one that went."""
_NOTHING = {
    CODE_VALUE: encoding.element(CODE_VALUE, "SH", GONE),
    CODE_SCHEME: encoding.element(CODE_SCHEME, "SH", GONE_SCHEME),
    CODE_MEANING: encoding.element(CODE_MEANING, "LO", "Removed"),
}


def is_coded(item: Collection[int]) -> bool:
    """Tell whether an item that has these elements is a coded entry."""
    return any(tag in item for tag in _CODES)


def meant(left: Mapping[int, bytes], came: str) -> dict[int, bytes] | None:
    """A cleaned coded entry with its meaning, which `came` as that; None if its code is none of its scheme's."""
    if CODE_VALUE not in left or CODE_SCHEME not in left:
        return None
    code, scheme = (_text(left[tag]) for tag in (CODE_VALUE, CODE_SCHEME))
    check = _CHECKS.get(scheme)
    scheme = _SAME.get(scheme, scheme)
    is_listed = (scheme, code) in _meanings()
    if not code or not scheme or (not is_listed and check is not None and not check(code)):
        return None
    known = _known(scheme, code)
    meaning = next((one for one in known if one.casefold() == came.casefold()), known[0])
    return _ordered({**left, CODE_MEANING: encoding.element(CODE_MEANING, "LO", meaning)})


def _known(scheme: str, code: str) -> tuple[str, ...]:
    """The meanings of a code, the one to write first."""
    if scheme == "SCPECG":
        return (_LEADS.get(code, code),)
    found = _meanings().get((scheme, code), (code,))
    return (code, *found) if scheme == "UCUM" else found  # a unit says itself what it is


def removed(left: Mapping[int, bytes]) -> dict[int, bytes]:
    """A cleaned coded entry whose code goes, where the standard wants one."""
    others = {tag: data for tag, data in left.items() if tag not in _CODES}
    return _ordered(others | _NOTHING)


def _ordered(left: Mapping[int, bytes]) -> dict[int, bytes]:
    return dict(sorted(left.items()))


def _text(element: bytes) -> str:
    return encoding.value(element).decode("ascii").strip(" \0")


@functools.cache
def _meanings() -> dict[tuple[str, str], tuple[str, ...]]:
    lines = gzip.decompress(Path(__file__).with_name("code_meanings.tsv.gz").read_bytes()).decode("ascii")
    rows = (line.split("\t") for line in lines.split("\n"))
    return {(scheme, code): tuple(meanings) for scheme, code, *meanings in rows}
