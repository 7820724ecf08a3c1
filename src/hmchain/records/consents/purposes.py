"""Purposes of use: the codes of HL7's v3 ActReason that consents name, what is a kind of what, and the DUO terms.

The value set is `v3-PurposeOfUse` of HL7 Terminology; of treatment, payment and operations only the kinds that consents
name by themselves stand here. A code that is not in the table is no kind of anything: whether it is meant is in doubt.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from hmchain.errors import InputError
from hmchain.records.consents.consent import Coding

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
RESEARCH, TREATMENT, BREAK_GLASS = "HRESCH", "TREAT", "BTG"

_PARENTS = {
    "TREAT": "", "HPAYMT": "", "HOPERAT": "", "HRESCH": "", "PUBHLTH": "", "PATRQT": "", "HMARKT": "", "HDIRECT": "",
    "CAREMGT": "TREAT", "COC": "TREAT", "CLINTRCH": "HRESCH", "ETREAT": "TREAT", "BTG": "ETREAT", "ERTREAT": "ETREAT",
    "POPHLTH": "TREAT", "TREATDS": "TREAT", "DISASTER": "PUBHLTH", "THREAT": "PUBHLTH",
    "BIORCH": "HRESCH", "CLINTRCHNPC": "CLINTRCH", "CLINTRCHPC": "CLINTRCH", "PRECLINTRCH": "CLINTRCH",
    "DSRCH": "HRESCH", "POARCH": "HRESCH", "TRANSRCH": "HRESCH",
    "DONAT": "HOPERAT", "FRAUD": "HOPERAT", "GOV": "HOPERAT", "HACCRED": "HOPERAT", "HCOMPL": "HOPERAT",
    "HDECD": "HOPERAT", "HLEGAL": "HOPERAT", "HOUTCOMS": "HOPERAT", "HPRGRP": "HOPERAT", "HQUALIMP": "HOPERAT",
    "HSYSADMIN": "HOPERAT", "LABELING": "HOPERAT", "METAMGT": "HOPERAT", "MEMADMIN": "HOPERAT", "MILCDM": "HOPERAT",
    "PATADMIN": "HOPERAT", "PATSFTY": "HOPERAT", "PERFMSR": "HOPERAT", "RECORDMGT": "HOPERAT", "SYSDEV": "HOPERAT",
    "HTEST": "SYSDEV", "TRAIN": "HOPERAT",
    "CLMATTCH": "HPAYMT", "COVAUTH": "HPAYMT", "COVERAGE": "HPAYMT", "ELIGDTRM": "COVERAGE", "ELIGVER": "COVERAGE",
    "ENROLLM": "COVERAGE", "REMITADV": "HPAYMT",
}  # fmt: skip
_OF_DUO = {
    "DUO:0000004": RESEARCH, "DUO:0000042": RESEARCH, "DUO:0000006": "BIORCH", "DUO:0000007": "DSRCH",
    "DUO:0000011": "POARCH", "DUO:0000043": TREATMENT,
}  # fmt: skip
"""No restriction and general research; health, medical or biomedical; a disease; ancestry; clinical care."""


class PurposeError(InputError):
    """A purpose that records are to be used for is not known."""

    code = "consent_purpose"


def is_known(purpose: Coding) -> bool:
    """Whether it is known here what a purpose is a kind of."""
    return purpose.system == ACT_REASON and has(purpose.code)


def has(code: str) -> bool:
    """Whether a code stands in the table."""
    return code in _PARENTS


def require_known(codes: Iterable[str]) -> None:
    """Raise `PurposeError` unless each code is of the table, or `SYSTEM|CODE` of another system."""
    for code in codes:
        if "|" not in code and not has(code):
            near = difflib.get_close_matches(code.upper(), _PARENTS, n=1)
            research = ", ".join(each for each, parent in _PARENTS.items() if RESEARCH in (each, parent))
            hint = f"did you mean {near[0]}?" if near else f"of research: {research}; of another system: SYSTEM|CODE"
            raise PurposeError(f"{code} is no purpose of use that is known here", hint)


def is_kind_of(code: str, other: str) -> bool:
    """Whether one code is the other, or a kind of it."""
    while code and code != other:
        code = _PARENTS.get(code, "")
    return code == other


def of_request(terms: Iterable[str]) -> tuple[str, ...]:
    """The purposes of a request that names terms of DUO; research in general where none of them is a use."""
    found = {_OF_DUO[term] for term in terms if term in _OF_DUO}
    return tuple(sorted(found)) or (RESEARCH,)
